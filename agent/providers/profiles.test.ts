import { afterEach, describe, expect, test } from 'vitest'
import type { AudienceParameter } from '../../protocol/storage/account.ts'
import type { Mode } from '../../test/issuer/modes/modes.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import { clientFrom, loginAt } from '../../test/support/issuer-login.ts'
import { addressOf, noAbort } from '../../test/support/oidc-client.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider, TokenParameters } from '../oauth/provider.ts'
import { detectProfile, profiles } from './profiles.ts'

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

describe('who it is', () => {
  test.each([
    ['https://wlcg.cloud.cnaf.infn.it/', 'iam'],
    ['https://cms-auth.web.cern.ch/', 'iam'],
    ['https://accounts.google.com', 'google'],
    ['https://login.microsoftonline.com/common/v2.0', 'entra'],
    ['https://cilogon.org/fermilab', 'cilogon'],
    ['https://aai.egi.eu/auth/realms/egi', 'egi'],
    ['https://login.helmholtz.de/oauth2', 'helmholtz'],
    ['https://accounts.google.com.example.org', 'conforming'],
    ['https://notcilogon.org', 'conforming'],
    ['nonsense', 'conforming'],
  ])('%s by its host: %s', (issuer, name) => {
    const document = { issuer, token_endpoint: `${issuer}/token` }
    expect(detectProfile({}, document).name).toBe(name)
    expect(detectProfile({ profile: 'keycloak' }, document).name).toBe('keycloak')
    expect(detectProfile({ profile: 'conforming' }, document).name).toBe('conforming')
  })

  test.each<[Mode, string, string, number | undefined]>([
    ['iam', 'iam', 'INDIGO IAM', 30 * 86_400],
    ['keycloak', 'keycloak', 'Keycloak', undefined],
    ['google', 'google', 'Google', undefined],
    ['entra', 'entra', 'Microsoft Entra ID', 90 * 86_400],
    ['conforming', 'conforming', 'OpenID provider', undefined],
    ['rotating', 'conforming', 'OpenID provider', undefined],
  ])('%s by its document', async (mode, profile, profileTitle, refreshTokenSeconds) => {
    const { issuer, oidc } = await opening(mode)
    const address = addressOf(issuer.issuer, issuer.caPath)
    expect(await oidc.discover(address, noAbort())).toMatchObject({
      profile,
      profileTitle,
      refreshTokenSeconds,
    })
  })

  test('each has a name of its own', () => {
    const names = profiles.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})

/** What the last token request said of the token it wanted. */
function wishIn(issuer: Issuer): [string, string][] {
  const fields = issuer.requestsTo('token').at(-1)?.fields ?? new URLSearchParams()
  return [...fields].filter(([name]) => /^(?:scope|audience|resource)$/.test(name))
}

async function wishAtRefresh(
  mode: Mode,
  parameters: TokenParameters,
  scope = 'openid offline_access',
): Promise<[string, string][]> {
  const { issuer, oidc } = await opening(mode)
  const client = clientFrom(issuer, issuer.addClient())
  const { refreshToken } = await loginAt(issuer, oidc, client, scope)
  await oidc.refreshTokenGrant(client, { refreshToken, ...parameters }, noAbort())
  return wishIn(issuer)
}

const SERVICES = 'https://a.example https://b.example'

describe('what goes along at a refresh', () => {
  test.each<Mode>(['iam', 'keycloak', 'google', 'entra', 'conforming'])(
    'at %s nothing where nothing is asked for',
    async (mode) => {
      expect(await wishAtRefresh(mode, { scope: undefined, audience: undefined })).toEqual([])
    },
  )

  test.each<Mode>(['iam', 'keycloak', 'conforming'])(
    'at %s one audience parameter',
    async (mode) => {
      const parameters = { scope: 'openid', audience: SERVICES }
      expect(await wishAtRefresh(mode, parameters)).toEqual([
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
  ])('as it is set for the client: %s', async (audienceParameter, form) => {
    const { issuer, oidc } = await opening('conforming')
    const client = clientFrom(issuer, issuer.addClient(), { audienceParameter })
    await oidc.clientCredentialsGrant(client, { scope: undefined, audience: SERVICES }, noAbort())
    expect(wishIn(issuer)).toEqual(form)
  })

  test('at Entra the scopes say the audience, and the refresh token is asked for again', async () => {
    const scope = 'openid offline_access api://store/Read'
    expect(
      await wishAtRefresh('entra', { scope: 'api://store/Read', audience: 'api://store/' }, scope),
    ).toEqual([['scope', 'api://store/Read offline_access']])
  })
})

test('at Google offline_access is not named, and a refresh token comes all the same', async () => {
  const { issuer, oidc } = await opening('google')
  await loginAt(issuer, oidc, clientFrom(issuer, issuer.addClient()))
  expect(issuer.requestsTo('device').at(-1)?.form['scope']).toBe('openid')
})
