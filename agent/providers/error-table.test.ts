import { afterEach, describe, expect, test } from 'vitest'
import type { AgentError, ErrorCode } from '../../protocol/wire/errors.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import type { Fault } from '../../test/issuer/faults.ts'
import type { Mode } from '../../test/issuer/modes/modes.ts'
import type { Settings } from '../../test/issuer/provider.ts'
import type { ErrorResponses } from '../../test/issuer/response.ts'
import { type Issuer, startIssuer } from '../../test/issuer/start-issuer.ts'
import { clientFrom, type IssuerLogin, loginAt } from '../../test/support/issuer-login.ts'
import { failureOf, noAbort } from '../../test/support/oidc-client.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import type { OpenIdProvider, TokenParameters } from '../oauth/provider.ts'
import { classify } from './error-table.ts'

let issuer: Issuer
let oidc: OpenIdProvider
const opened: { close: () => Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function loggedIn(mode: Mode, settings: Partial<Settings> = {}): Promise<IssuerLogin> {
  issuer = await startIssuer({ mode, settings })
  oidc = createOpenIdProvider()
  opened.push(oidc, issuer)
  return loginAt(issuer, oidc, clientFrom(issuer, issuer.addClient()))
}

function refreshFailure(
  { client, refreshToken }: IssuerLogin,
  parameters: Partial<TokenParameters> = {},
): Promise<AgentError> {
  const grant = { refreshToken, scope: undefined, audience: undefined, ...parameters }
  return failureOf(oidc.refreshTokenGrant(client, grant, noAbort()))
}

/** The provider, its error response, the agent's error code, and a part of the message. */
type Row = readonly [Mode, keyof ErrorResponses, ErrorCode, RegExp]

describe('error responses to a refresh', () => {
  test.each<Row>([
    ['conforming', 'refreshTokenDead', 'refresh-token-dead', /^invalid_grant: unknown, revoked/],
    ['rotating', 'refreshTokenReused', 'refresh-token-dead', /^invalid_grant: used before/],
    ['iam', 'refreshTokenDead', 'refresh-token-dead', /^invalid_token: Invalid refresh token: /],
    ['keycloak', 'refreshTokenDead', 'refresh-token-dead', /^invalid_grant: Token is not active$/],
    ['keycloak', 'refreshTokenReused', 'refresh-token-dead', /refresh token reuse exceeded/],
    ['google', 'refreshTokenDead', 'refresh-token-dead', /Token has been expired or revoked/],
    ['entra', 'refreshTokenDead', 'refresh-token-dead', /AADSTS700082/],

    ['iam', 'policyUnsigned', 'policy-to-accept', /needs to sign AUP/],
    ['keycloak', 'policyUnsigned', 'policy-to-accept', /Account is not fully set up/],
    ['entra', 'policyUnsigned', 'policy-to-accept', /AADSTS50158/],
    ['conforming', 'policyUnsigned', 'policy-to-accept', /^interaction_required: a policy waits/],

    ['iam', 'userInactive', 'user-inactive', /^unauthorized: User .* is not active\.$/],
    ['keycloak', 'userInactive', 'user-inactive', /^invalid_grant: User disabled$/],
    ['google', 'userInactive', 'user-inactive', /Account has been deleted/],
    ['entra', 'userInactive', 'user-inactive', /AADSTS50057/],
    ['conforming', 'userInactive', 'user-inactive', /the account is disabled/],

    ['conforming', 'clientUnknown', 'invalid-client', /^invalid_client: unknown client/],
    ['iam', 'clientUnknown', 'invalid-client', /^invalid_client: Bad client credentials$/],
    ['keycloak', 'clientUnknown', 'invalid-client', /^invalid_client: Invalid client or/],
    ['google', 'clientUnknown', 'invalid-client', /The OAuth client was not found/],
    ['entra', 'clientUnknown', 'invalid-client', /AADSTS700016/],
    ['iam', 'clientSuspended', 'invalid-client', /Client has been suspended/],
    ['conforming', 'clientSuspended', 'invalid-client', /is suspended$/],
    ['iam', 'clientMayNot', 'client-not-allowed', /Unauthorized grant type/],
    ['conforming', 'clientMayNot', 'client-not-allowed', /^unauthorized_client: /],
    ['conforming', 'grantUnsupported', 'client-not-allowed', /^unsupported_grant_type: /],

    ['iam', 'scopeTooWide', 'invalid-scope', /Up-scoping is not allowed/],
    ['iam', 'scopeNotForClient', 'invalid-scope', /^invalid_scope: Scope .* not allowed for/],
    ['keycloak', 'scopeTooWide', 'invalid-scope', /Invalid scopes/],
    ['iam', 'resourceNotGranted', 'invalid-target', /was not originally granted/],
    ['iam', 'resourceMalformed', 'invalid-target', /^invalid_target$/],
    ['entra', 'resourceUnsupported', 'invalid-request', /AADSTS901002/],
  ])('the error response of %s to a refresh (%s) means %s', async (mode, reason, code, message) => {
    const login = await loggedIn(mode)
    const about = login.refreshToken.reveal()
    // A client that is not recognised repeats the request with its second authentication method.
    issuer.fault('token', { kind: 'error-response', reason, about }, { times: 'always' })
    const failure = await refreshFailure(login)
    expect(failure.code).toBe(code)
    expect(failure.message).toMatch(message)
    expect(`${failure.message} ${failure.hint ?? ''}`).not.toContain(about)
  })

  test.each<readonly [Mode, Partial<Settings>, ErrorCode]>([
    ['iam', { user: 'has a policy to sign' }, 'policy-to-accept'],
    ['iam', { user: 'inactive' }, 'user-inactive'],
    ['iam', { clientsSuspended: true }, 'invalid-client'],
    ['keycloak', { user: 'inactive' }, 'user-inactive'],
    ['entra', { user: 'inactive' }, 'user-inactive'],
  ])('a refresh token of %s stays valid through %j', async (mode, settings, code) => {
    const login = await loggedIn(mode, { refreshTokenFor: 'everyone' })
    issuer.set(settings)
    expect((await refreshFailure(login)).code).toBe(code)
    issuer.set({ user: 'active', clientsSuspended: false })
    const grant = { refreshToken: login.refreshToken, scope: undefined, audience: undefined }
    const { accessToken } = await oidc.refreshTokenGrant(login.client, grant, noAbort())
    expect(accessToken).not.toBe('')
  })

  test('the hint for a policy to sign names the address of the provider', async () => {
    const login = await loggedIn('iam')
    issuer.set({ user: 'has a policy to sign' })
    expect((await refreshFailure(login)).hint).toContain(`Sign in at ${issuer.origin}/ and accept`)
  })
})

describe('an overloaded or failing provider', () => {
  test.each<readonly [string, Fault, ErrorCode, string]>([
    [
      'a rate limit',
      { kind: 'status', status: 429, headers: { 'retry-after': '7200' } },
      'rate-limited',
      'answered 429 with an empty body (retry after 7200 s)',
    ],
    [
      'a rate limit as an error code',
      { kind: 'status', status: 400, body: { error: 'slow_down' } },
      'rate-limited',
      'slow_down',
    ],
    [
      'a maintenance page',
      { kind: 'html', status: 503 },
      'provider-unavailable',
      'answered 503 with text/html instead of JSON',
    ],
    [
      'maintenance with an error response that means nothing then',
      { kind: 'status', status: 502, body: { error: 'invalid_grant' } },
      'provider-unavailable',
      'invalid_grant',
    ],
    [
      'an overload as an error code',
      { kind: 'status', status: 400, body: { error: 'temporarily_unavailable' } },
      'provider-unavailable',
      'temporarily_unavailable',
    ],
    [
      'a fault of the provider',
      { kind: 'status', status: 500, body: { error: 'server_error' } },
      'provider-unavailable',
      'server_error',
    ],
    [
      'a fault of the provider with an error code of the client',
      { kind: 'status', status: 500, body: { error: 'invalid_grant' } },
      'provider-unavailable',
      'invalid_grant',
    ],
    [
      'an error page',
      { kind: 'html', status: 500 },
      'provider-unavailable',
      'answered 500 with text/html',
    ],
  ])('%s is no reason to drop the refresh token', async (_what, fault, code, message) => {
    const login = await loggedIn('conforming')
    issuer.fault('token', fault)
    const failure = await refreshFailure(login)
    expect(failure.code).toBe(code)
    expect(failure.message).toContain(message)
  })
})

describe('error responses to other requests', () => {
  test.each<Row>([
    ['conforming', 'devicePending', 'authorization-pending', /^authorization_pending\n$/],
    ['google', 'devicePending', 'authorization-pending', /^authorization_pending\n$/],
    ['keycloak', 'deviceSlowDown', 'slow-down', /^slow_down\n$/],
    ['google', 'deviceSlowDown', 'slow-down', /^slow_down\n$/],
    ['conforming', 'deviceDenied', 'provider-error', /refused in the browser/],
    ['entra', 'deviceDenied', 'provider-error', /refused in the browser/],
    ['iam', 'deviceExpired', 'provider-error', /Start the login again/],
    ['iam', 'deviceUnknown', 'provider-error', /Start the login again/],
    ['entra', 'deviceUnknown', 'provider-error', /Start the login again/],
  ])(
    'the error response of %s to a device poll (%s) means %s',
    async (mode, reason, code, text) => {
      const login = await loggedIn(mode)
      issuer.fault('token', { kind: 'error-response', reason })
      const failure = await failureOf(
        oidc.deviceAccessToken(login.client, 'device-code', noAbort()),
      )
      expect(failure.code).toBe(code)
      expect(`${failure.message}\n${failure.hint ?? ''}`).toMatch(text)
    },
  )

  test.each<Row>([
    ['conforming', 'codeInvalid', 'provider-error', /Start the login again/],
    ['keycloak', 'verifierWrong', 'provider-error', /PKCE verification failed/],
  ])(
    'the error response of %s to a code exchange (%s) means %s',
    async (mode, reason, code, text) => {
      const { client } = await loggedIn(mode)
      issuer.fault('token', { kind: 'error-response', reason })
      const response = {
        code: 'code-1',
        redirectUri: 'http://localhost:4242',
        codeVerifier: 'v'.repeat(43),
        issuerParameter: issuer.issuer,
      }
      const failure = await failureOf(oidc.authorizationCodeGrant(client, response, noAbort()))
      expect(failure.code).toBe(code)
      expect(`${failure.message}\n${failure.hint ?? ''}`).toMatch(text)
    },
  )

  test.each<Row>([
    ['conforming', 'subjectTokenInvalid', 'provider-error', /may have expired/],
    ['iam', 'subjectTokenInvalid', 'provider-error', /may have expired/],
  ])(
    'the error response of %s to a token exchange (%s) means %s',
    async (mode, reason, code, text) => {
      const { client } = await loggedIn(mode)
      const subjectToken = new Secret('platform-token-1')
      issuer.fault('token', { kind: 'error-response', reason, about: 'platform-token-1' })
      const grant = {
        subjectToken,
        subjectTokenType: 'urn:ietf:params:oauth:token-type:jwt',
        scope: 'openid',
        audience: undefined,
      }
      const failure = await failureOf(oidc.tokenExchange(client, grant, noAbort()))
      expect(failure.code).toBe(code)
      expect(failure.hint).toMatch(text)
      expect(failure.message).not.toContain('platform-token-1')
    },
  )

  test('a wrong password is reported without the password', async () => {
    const { client } = await loggedIn('iam')
    const password = new Secret('looking-glass')
    const grant = { username: 'alice', password, scope: 'openid', audience: undefined }
    const failure = await failureOf(oidc.passwordGrant(client, grant, noAbort()))
    expect(failure).toMatchObject({
      code: 'provider-error',
      message: 'invalid_grant: Bad credentials',
      hint: 'The provider does not accept this user name and password.',
    })
  })
})

describe('error responses of real providers', () => {
  const meaning = (error: string, description: string, status = 400): ErrorCode =>
    classify({ status, error, description }, 'refresh', 'https://op.example/').code

  test.each<readonly [string, string, ErrorCode]>([
    ['invalid_grant', 'Session not active', 'refresh-token-dead'],
    ['invalid_grant', 'Offline user session not found', 'refresh-token-dead'],
    ['invalid_grant', 'User session is not active', 'refresh-token-dead'],
    ['invalid_grant', 'Stale token', 'refresh-token-dead'],
    ['invalid_grant', 'The account token is inactive', 'refresh-token-dead'],
    ['invalid_grant', 'AADSTS50173: The provided grant has expired', 'refresh-token-dead'],
    ['invalid_grant', 'AADSTS50076: you must use multi-factor authentication', 'policy-to-accept'],
    ['invalid_grant', 'User alice is not active.', 'user-inactive'],
    ['access_denied', 'No scopes found', 'invalid-scope'],
    [
      'invalid_scope',
      'Changes were detected from the original authorization request',
      'invalid-scope',
    ],
    ['invalid_client', '"exp" claim timestamp check failed', 'wrong-clock'],
    [
      'invalid_client',
      'AADSTS700024: Client assertion is not within its valid time',
      'wrong-clock',
    ],
    ['access_denied', 'no', 'provider-error'],
    ['', '', 'provider-error'],
  ])('the error response "%s: %s" to a refresh means %s', (error, description, code) => {
    expect(meaning(error, description)).toBe(code)
  })
})
