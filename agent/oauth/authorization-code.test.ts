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

// Without a slash at its end, as the C agent registers it: the agent must not add one.
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

async function urlFor(changes: Partial<AuthorizationRequest> = {}): Promise<URL> {
  return new URL(await oidc.authorizationUrl(client, { ...REQUEST, ...changes }, noAbort()))
}

/** The parameters of the redirect back to the agent. */
async function visit(url: URL): Promise<URLSearchParams> {
  const probe = new HttpProbe(issuer)
  try {
    const { headers } = await probe.ask(url.href)
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

describe('a login by authorization code', () => {
  test.each<Mode>(['conforming', 'iam', 'keycloak', 'google', 'entra', 'rotating'])(
    'a login by authorization code at %s gives a refresh token',
    async (mode) => {
      await openAt(mode)
      const response = await visit(await urlFor())
      expect(response.get('state')).toBe('state-1')
      const tokens = await exchange(response)
      expect(tokens.accessToken).not.toBe('')
      expect(tokens.refreshToken).toBeDefined()
    },
  )

  test('the authorization request has the code challenge, not the verifier, and requests consent', async () => {
    await openAt('conforming')
    const url = await urlFor({ audience: 'https://se.example' })
    expect(Object.fromEntries(url.searchParams)).toEqual({
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

  test('the authorization request to Google has access_type instead of offline_access', async () => {
    await openAt('google')
    expect(Object.fromEntries((await urlFor()).searchParams)).toMatchObject({
      scope: 'openid',
      access_type: 'offline',
      prompt: 'consent',
    })
  })

  test('the authorization request without offline access does not request consent', async () => {
    await openAt('google')
    const { searchParams } = await urlFor({ offlineAccess: false })
    expect(searchParams.has('prompt')).toBe(false)
    expect(searchParams.has('access_type')).toBe(false)
  })

  test('a provider without an authorization endpoint does not support the code flow', async () => {
    await openAt('conforming')
    const { token, discovery } = issuer.settings().paths
    const paths = { ...(token && { token }), ...(discovery && { discovery }) }
    issuer.set({ paths })
    expect(await failureOf(urlFor())).toMatchObject({
      code: 'unsupported-by-provider',
      message: 'Authorization Code Flow not Supported by OpenID Provider',
    })
  })
})

describe('the issuer of an authorization response (RFC 9207)', () => {
  const message = (sender: string): string =>
    `The response to the login came from ${sender} instead of ${issuer.issuer}: it was rejected.`

  test('the authorization response of another issuer is rejected before the code is sent', async () => {
    await openAt('conforming', { issInAuthorizationResponse: 'wrong' })
    const response = await visit(await urlFor())
    expect(await failureOf(exchange(response))).toMatchObject({
      code: 'wrong-issuer',
      message: message(response.get('iss') ?? ''),
    })
    expect(issuer.requestsTo('token')).toHaveLength(0)
  })

  test('an authorization response without iss is rejected if the provider always sends iss', async () => {
    await openAt('conforming')
    const response = await visit(await urlFor())
    response.delete('iss')
    expect(await failureOf(exchange(response))).toMatchObject({
      code: 'wrong-issuer',
      message: message('an unknown issuer (without iss)'),
    })
  })

  test('the authorization response of another issuer is rejected if the provider does not announce iss', async () => {
    await openAt('iam')
    const response = await visit(await urlFor())
    expect((await failureOf(exchange(response, 'https://evil.example'))).code).toBe('wrong-issuer')
  })
})

test('the error of a code exchange contains neither the code nor the code verifier', async () => {
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
