import { afterEach, describe, expect, test } from 'vitest'
import { Secret } from '../../protocol/wire/secret.ts'
import type { Mode } from '../../test/issuer/modes/modes.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import { payloadOf } from '../../test/support/access-token.ts'
import { clientFrom } from '../../test/support/issuer-login.ts'
import { noAbort } from '../../test/support/oidc-client.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { Client, OpenIdProvider } from './provider.ts'

const WISH = { scope: 'compute.read', audience: 'https://ce.example' }

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
  test('a robot', async () => {
    await openAt(mode)
    const tokens = await oidc.clientCredentialsGrant(client, WISH, noAbort())
    expect(payloadOf(tokens.accessToken)).toMatchObject({ aud: 'https://ce.example' })
    expect(tokens).toMatchObject({ scope: 'compute.read', refreshToken: undefined })
    expect(issuer.requestsTo('token').at(-1)?.form['grant_type']).toBe('client_credentials')
  })

  test('a name and a password', async () => {
    await openAt(mode)
    const grant = { ...WISH, username: 'alice', password: new Secret('wonderland') }
    const { accessToken } = await oidc.passwordGrant(client, grant, noAbort())
    expect(payloadOf(accessToken)).toMatchObject({ sub: 'alice' })
  })

  test("a job with its platform's token", async () => {
    await openAt(mode)
    const own = await oidc.clientCredentialsGrant(client, WISH, noAbort())
    // IAM takes tokens of its own, others those of platforms they know.
    const text = mode === 'iam' ? own.accessToken : await issuer.platformToken('job-7')
    const type = mode === 'iam' ? 'access_token' : 'id_token'
    const subjectTokenType = `urn:ietf:params:oauth:token-type:${type}`
    const grant = { ...WISH, subjectToken: new Secret(text), subjectTokenType }
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
