import { afterEach, describe, expect, test } from 'vitest'
import type { AudienceParameter } from '../../protocol/storage/account.ts'
import type { Mode } from '../../test/issuer/modes/modes.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import { clientFrom, loginAt } from '../../test/support/issuer-login.ts'
import { noAbort, providerConfig } from '../../test/support/oidc-client.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider, TokenParameters } from '../oauth/provider.ts'
import { detectProfile, products, profileNamed } from './products.ts'

const opened: { close: () => Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function opening(mode: Mode): Promise<{ issuer: Issuer; oidc: OpenIdProvider }> {
  const issuer = await startIssuer({ mode })
  const oidc = createOpenIdProvider()
  opened.push(oidc, issuer)
  return { issuer, oidc }
}

describe('the profile of a provider', () => {
  test.each([
    ['https://wlcg.cloud.cnaf.infn.it/', 'iam'],
    ['https://cms-auth.web.cern.ch/', 'iam'],
    ['https://accounts.google.com', 'google'],
    ['https://login.microsoftonline.com/common/v2.0', 'entra'],
    ['https://cilogon.org/fermilab', 'cilogon'],
    ['https://aai.egi.eu/auth/realms/egi', 'egi'],
    ['https://login.helmholtz.de/oauth2', 'helmholtz'],
    ['https://accounts.google.com.example.org', 'generic'],
    ['https://notcilogon.org', 'generic'],
    ['nonsense', 'generic'],
  ])('the profile of %s is detected by its host: %s', (issuer, name) => {
    const document = { issuer, token_endpoint: `${issuer}/token` }
    expect(detectProfile({}, document).name).toBe(name)
    expect(detectProfile({ profile: 'keycloak' }, document).name).toBe('keycloak')
    expect(detectProfile({ profile: 'generic' }, document).name).toBe('generic')
    expect(detectProfile({ profile: 'conforming' }, document).name).toBe('generic')
  })

  test.each<[Mode, string, string, number | undefined]>([
    ['iam', 'iam', 'INDIGO IAM', 30 * 86_400],
    ['keycloak', 'keycloak', 'Keycloak', undefined],
    ['google', 'google', 'Google', undefined],
    ['entra', 'entra', 'Microsoft Entra ID', 90 * 86_400],
    ['conforming', 'generic', 'OpenID provider', undefined],
    ['rotating', 'generic', 'OpenID provider', undefined],
  ])(
    'the profile of a %s provider is detected by its discovery document: %s',
    async (mode, profile, profileTitle, refreshTokenSeconds) => {
      const { issuer, oidc } = await opening(mode)
      const address = providerConfig(issuer.issuer, issuer.caPath)
      expect(await oidc.discover(address, noAbort())).toMatchObject({
        profile,
        profileTitle,
        refreshTokenSeconds,
      })
    },
  )

  test("the generic profile has the name 'generic', and 'conforming' in existing issuer files", () => {
    expect(profileNamed('generic')?.name).toBe('generic')
    expect(profileNamed('conforming')?.name).toBe('generic')
    expect(profileNamed('dex')).toBeUndefined()
  })

  test('the names of the profiles are different', () => {
    const names = products.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})

/** Scope and audience parameters of the last token request. */
function tokenParametersIn(issuer: Issuer): [string, string][] {
  const fields = issuer.requestsTo('token').at(-1)?.fields ?? new URLSearchParams()
  return [...fields].filter(([name]) => /^(?:scope|audience|resource)$/.test(name))
}

async function parametersAtRefresh(
  mode: Mode,
  parameters: TokenParameters,
  scope = 'openid offline_access',
): Promise<[string, string][]> {
  const { issuer, oidc } = await opening(mode)
  const client = clientFrom(issuer, issuer.addClient())
  const { refreshToken } = await loginAt(issuer, oidc, client, scope)
  await oidc.refreshTokenGrant(client, { refreshToken, ...parameters }, noAbort())
  return tokenParametersIn(issuer)
}

const SERVICES = 'https://a.example https://b.example'

describe('the parameters of a token request', () => {
  test.each<Mode>(['iam', 'keycloak', 'google', 'entra', 'conforming'])(
    'a refresh at %s without scope and audience sends neither',
    async (mode) => {
      expect(await parametersAtRefresh(mode, { scope: undefined, audience: undefined })).toEqual([])
    },
  )

  test.each<Mode>(['iam', 'keycloak', 'conforming'])(
    'a refresh at %s sends all audiences in one parameter',
    async (mode) => {
      const parameters = { scope: 'openid', audience: SERVICES }
      expect(await parametersAtRefresh(mode, parameters)).toEqual([
        ['scope', 'openid'],
        ['audience', SERVICES],
      ])
    },
  )

  test.each<[AudienceParameter, [string, string][]]>([
    ['audience', [['audience', SERVICES]]],
    ['resource', SERVICES.split(' ').map((one) => ['resource', one])],
    [
      'both',
      [
        ...SERVICES.split(' ').map((one): [string, string] => ['resource', one]),
        ['audience', SERVICES],
      ],
    ],
  ])(
    'the audience parameter of the client wins over that of the profile: %s',
    async (audienceParameter, form) => {
      const { issuer, oidc } = await opening('conforming')
      const client = clientFrom(issuer, issuer.addClient(), { audienceParameter })
      await oidc.clientCredentialsGrant(client, { scope: undefined, audience: SERVICES }, noAbort())
      expect(tokenParametersIn(issuer)).toEqual(form)
    },
  )

  test('a refresh at Entra sends the audience in the scopes, and offline_access', async () => {
    const scope = 'openid offline_access api://store/Read'
    expect(
      await parametersAtRefresh(
        'entra',
        { scope: 'api://store/Read', audience: 'api://store/' },
        scope,
      ),
    ).toEqual([['scope', 'api://store/Read offline_access']])
  })
})

test('a login at Google does not send offline_access, and still gets a refresh token', async () => {
  const { issuer, oidc } = await opening('google')
  await loginAt(issuer, oidc, clientFrom(issuer, issuer.addClient()))
  expect(issuer.requestsTo('device').at(-1)?.form['scope']).toBe('openid')
})
