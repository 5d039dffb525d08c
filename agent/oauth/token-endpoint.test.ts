import { afterEach, describe, expect, test } from 'vitest'
import { Secret } from '../../protocol/wire/secret.ts'
import type { Mode } from '../../test/issuer/modes/modes.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import { payloadOf } from '../../test/support/access-token.ts'
import { clientFrom } from '../../test/support/issuer-login.ts'
import { noAbort } from '../../test/support/oidc-client.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { Client, OpenIdProvider } from './provider.ts'

const PARAMETERS = { scope: 'compute.read', audience: 'https://ce.example' }

let issuer: Issuer
let oidc: OpenIdProvider
let client: Client
const opened: { close: () => Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function openAt(mode: Mode): Promise<void> {
  issuer = await startIssuer({ mode })
  oidc = createOpenIdProvider()
  opened.push(oidc, issuer)
  client = clientFrom(issuer, issuer.addClient({ scope: ['openid', 'wlcg', 'compute.read'] }))
}

describe.each<Mode>(['conforming', 'iam'])('at %s', (mode) => {
  test(`client credentials give an access token at ${mode}`, async () => {
    await openAt(mode)
    const tokens = await oidc.clientCredentialsGrant(client, PARAMETERS, noAbort())
    expect(payloadOf(tokens.accessToken)).toMatchObject({ aud: 'https://ce.example' })
    expect(tokens).toMatchObject({ scope: 'compute.read', refreshToken: undefined })
    expect(issuer.requestsTo('token').at(-1)?.form['grant_type']).toBe('client_credentials')
  })

  test(`a user name and a password give an access token at ${mode}`, async () => {
    await openAt(mode)
    const grant = { ...PARAMETERS, username: 'alice', password: new Secret('wonderland') }
    const { accessToken } = await oidc.passwordGrant(client, grant, noAbort())
    expect(payloadOf(accessToken)).toMatchObject({ sub: 'alice' })
  })

  test(`the token of a CI platform is exchanged for an access token at ${mode}`, async () => {
    await openAt(mode)
    const own = await oidc.clientCredentialsGrant(client, PARAMETERS, noAbort())
    // IAM accepts its own tokens, other providers those of platforms that they trust.
    const text = mode === 'iam' ? own.accessToken : await issuer.platformToken('job-7')
    const type = mode === 'iam' ? 'access_token' : 'id_token'
    const subjectTokenType = `urn:ietf:params:oauth:token-type:${type}`
    const grant = { ...PARAMETERS, subjectToken: new Secret(text), subjectTokenType }
    const tokens = await oidc.tokenExchange(client, grant, noAbort())
    expect(payloadOf(tokens.accessToken)).toMatchObject({ aud: 'https://ce.example' })
    expect(issuer.requestsTo('token').at(-1)?.form).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: text,
      subject_token_type: subjectTokenType,
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'https://ce.example',
      scope: 'compute.read',
    })
  })
})
