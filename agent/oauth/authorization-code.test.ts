import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { HttpProbe } from '../../test/issuer/http-probe.ts'
import type { Mode } from '../../test/issuer/modes/modes.ts'
import type { Settings } from '../../test/issuer/provider.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import type { KnownClient } from '../../test/issuer/store.ts'
import { clientFrom } from '../../test/support/issuer-login.ts'
import { failureOf, noAbort } from '../../test/support/oidc-client.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { AuthorizationRequest, Client, OpenIdProvider } from './provider.ts'

// Without a slash, as the C agent registers it: it must not get one on the way.
const REDIRECT = 'http://localhost:4242'
const VERIFIER = 'a-verifier-that-is-long-enough-for-the-providers-43'
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')

const REQUEST: AuthorizationRequest = {
  redirectUri: REDIRECT,
  state: 'state-1',
  codeChallenge: CHALLENGE,
  offlineAccess: true,
  scope: 'openid offline_access',
  audience: undefined,
}

let issuer: Issuer
let oidc: OpenIdProvider
let client: Client
const opened: { close: () => Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function openAt(mode: Mode, settings: Partial<Settings> = {}): Promise<void> {
  issuer = await startIssuer({ mode, settings: { person: 'approves', ...settings } })
  oidc = createOpenIdProvider()
  opened.push(oidc, issuer)
  const known: KnownClient = issuer.addClient({ redirectUris: [REDIRECT] })
  client = clientFrom(issuer, known)
}

async function addressFor(changes: Partial<AuthorizationRequest> = {}): Promise<URL> {
  return new URL(await oidc.authorizationUrl(client, { ...REQUEST, ...changes }, noAbort()))
}

/** What the browser brings back. */
async function visit(address: URL): Promise<URLSearchParams> {
  const probe = new HttpProbe(issuer)
  try {
    const { headers } = await probe.ask(address.href)
    return new URL(headers.get('location') ?? '').searchParams
  } finally {
    await probe.close()
  }
}

function exchange(
  response: URLSearchParams,
  issuerParameter = response.get('iss') ?? undefined,
): ReturnType<OpenIdProvider['authorizationCodeGrant']> {
  const code = response.get('code') ?? ''
  return oidc.authorizationCodeGrant(
    client,
    { code, redirectUri: REDIRECT, codeVerifier: VERIFIER, issuerParameter },
    noAbort(),
  )
}

describe('a login in the browser', () => {
  test.each<Mode>(['conforming', 'iam', 'keycloak', 'google', 'entra', 'rotating'])(
    'brings a refresh token at %s',
    async (mode) => {
      await openAt(mode)
      const response = await visit(await addressFor())
      expect(response.get('state')).toBe('state-1')
      const tokens = await exchange(response)
      expect(tokens.accessToken).not.toBe('')
      expect(tokens.refreshToken).toBeDefined()
    },
  )

  test('asks with a challenge, never with the verifier, and for consent', async () => {
    await openAt('conforming')
    const address = await addressFor({ audience: 'https://se.example' })
    expect(Object.fromEntries(address.searchParams)).toEqual({
      client_id: client.id,
      response_type: 'code',
      redirect_uri: REDIRECT,
      scope: 'openid offline_access',
      audience: 'https://se.example',
      state: 'state-1',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
      prompt: 'consent',
    })
  })

  test('asks Google in its own words', async () => {
    await openAt('google')
    expect(Object.fromEntries((await addressFor()).searchParams)).toMatchObject({
      scope: 'openid',
      access_type: 'offline',
      prompt: 'consent',
    })
  })

  test('asks for no consent where no refresh token is wanted', async () => {
    await openAt('google')
    const { searchParams } = await addressFor({ offlineAccess: false })
    expect(searchParams.has('prompt')).toBe(false)
    expect(searchParams.has('access_type')).toBe(false)
  })

  test('is not to be had where there is no page for it', async () => {
    await openAt('conforming')
    const { token, discovery } = issuer.settings().paths
    const paths = { ...(token && { token }), ...(discovery && { discovery }) }
    issuer.set({ paths })
    expect(await failureOf(addressFor())).toMatchObject({
      code: 'unsupported-by-provider',
      message: 'Authorization Code Flow not Supported by OpenID Provider',
    })
  })
})

describe('who answered (RFC 9207)', () => {
  const message = (answerer: string): string =>
    `the login was answered by ${answerer} and not by ${issuer.issuer}: it is not used`

  test('another provider', async () => {
    await openAt('conforming', { issInAuthorizationResponse: 'wrong' })
    const response = await visit(await addressFor())
    expect(await failureOf(exchange(response))).toMatchObject({
      code: 'wrong-issuer',
      message: message(response.get('iss') ?? ''),
    })
    expect(issuer.requestsTo('token')).toHaveLength(0)
  })

  test('nobody, where the provider always says who it is', async () => {
    await openAt('conforming')
    const response = await visit(await addressFor())
    response.delete('iss')
    expect(await failureOf(exchange(response))).toMatchObject({
      code: 'wrong-issuer',
      message: message('somebody without a name'),
    })
  })

  test('another one, where the provider never says', async () => {
    await openAt('iam')
    const response = await visit(await addressFor())
    expect((await failureOf(exchange(response, 'https://evil.example'))).code).toBe('wrong-issuer')
  })
})

test('neither code nor verifier is in a message', async () => {
  await openAt('conforming')
  issuer.fault('token', {
    kind: 'status',
    status: 400,
    body: { error: 'invalid_grant', error_description: `code-1 with ${VERIFIER}` },
  })
  const response = new URLSearchParams({ code: 'code-1', iss: issuer.issuer })
  expect((await failureOf(exchange(response))).message).toBe(
    'invalid_grant: [secret] with [secret]',
  )
})
