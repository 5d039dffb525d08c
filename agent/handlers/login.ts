import { accountOf, type GrantKind } from '../../protocol/storage/account.ts'
import { AgentError, type ErrorCode, peerError } from '../../protocol/wire/errors.ts'
import type {
  AccessTokenReply,
  BrowserStartedReply,
  ConfigReply,
  DeviceStartedReply,
  GenRequest,
  Replies,
} from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import type { AgentContext, Handler } from '../context.ts'
import { type BrowserLogin, startAuthorizationCodeLogin } from '../login/authorization-code.ts'
import { errorIn, type LoginReply } from '../login/authorization-sessions.ts'
import { completeLogin, type Login } from '../login/complete-login.ts'
import type { TokenResponse } from '../oauth/provider.ts'
import { withHint } from '../providers/error-table.ts'
import { defaultRequest } from '../tokens/granted-scope.ts'
import { tokenByGrant } from '../tokens/refresher.ts'

type Flow = (
  login: BrowserLogin,
  context: AgentContext,
  signal: AbortSignal,
) => Promise<Replies['gen']>

/** The ways to a first token, by their names in `gen` (protocol.md §2.5). */
const flows: Readonly<Record<string, Flow>> = {
  refresh: byRefreshToken,
  code: byCode,
  device: byDevice,
  password: byPassword,
  client_credentials: byRepeated('client_credentials'),
  'token-exchange': byRepeated('token-exchange'),
}
/** Names the C agent knows; what is not in `flows` is passed over for the next in the list. */
const knownFlows = [...Object.keys(flows), 'mt_oidc']
/** Failures after which the next flow of the list is tried: the provider or this machine lacks the flow. */
const nextFlowAfter = ['unsupported-by-provider', 'no-redirect-address']

/** Starts the first flow of the list that this agent, the provider and this machine have. */
export const gen: Handler<'gen'> = async (request, context, signal) => {
  const login = loginOf(request)
  const names = possibleFlows(request.flow, login)
  for (const [index, name] of names.entries()) {
    try {
      const reply = await flows[name]?.(login, context, signal)
      if (reply !== undefined) return reply
    } catch (error) {
      if (index + 1 === names.length || !isPassedOver(error)) throw told(error, login)
    }
  }
  throw new AgentError('not-implemented', 'No flow was successful.', {
    hint: `This agent logs in with the flows ${Object.keys(flows).join(' and ')}; asked for: ${request.flow.join(' ')}.`,
  })
}

function possibleFlows(wanted: readonly string[], login: Login): readonly string[] {
  const unknown = wanted.find((name) => !knownFlows.includes(name))
  if (unknown !== undefined) throw new AgentError('bad-request', `Unknown flow '${unknown}'`)
  const possible = wanted.filter((name) => name in flows && isPossible(name, login))
  // The only one asked for says itself what it lacks.
  return possible.length === 0 && wanted.length === 1 ? wanted : possible
}

function isPassedOver(error: unknown): boolean {
  return error instanceof AgentError && nextFlowAfter.includes(error.code)
}

/** Failures with a cure that does not begin with the login that has just failed. */
const curable: readonly ErrorCode[] = ['invalid-client', 'invalid-scope']

function told(error: unknown, { account }: Pick<Login, 'account'>): unknown {
  const isCurable = error instanceof AgentError && curable.includes(error.code)
  return isCurable ? withHint(error, account) : error
}

/** Asks once whether the device code was approved; on approval the account is loaded. */
export const device: Handler<'device'> = async (request, context, signal) => {
  const code = request.oidc_device['device_code']
  if (typeof code !== 'string') {
    throw new AgentError('bad-request', 'Argument is NULL in function getDeviceCodeFromJSON')
  }
  const login = context.deviceSessions.get(code)
  if (login === undefined) throw peerError('wrong-device-code')
  try {
    const client = await context.clientConfigs.clientOf(login.account)
    const response = await context.provider.deviceAccessToken(client, code, signal)
    context.deviceSessions.end(code)
    return await completeLogin(
      { ...login, onlyAccessToken: request.only_at ?? false },
      response,
      context,
    )
  } catch (error) {
    if (endsLogin(error)) context.deviceSessions.end(code)
    throw told(error, login)
  }
}

function byCode(
  login: BrowserLogin,
  context: AgentContext,
  signal: AbortSignal,
): Promise<BrowserStartedReply> {
  const { options, provider, clientConfigs, authorizationSessions } = context
  const complete = (response: TokenResponse): Promise<LoginReply> =>
    completeLogin(login, response, context)
  const parts = { options, provider, clientConfigs, authorizationSessions, complete }
  return startAuthorizationCodeLogin(login, parts, signal)
}

async function byRefreshToken(
  login: Login,
  context: AgentContext,
  signal: AbortSignal,
): Promise<ConfigReply | AccessTokenReply> {
  const { refreshToken, audience } = login.account
  if (refreshToken === undefined) throw peerError('no-refresh-token')
  const response = await context.provider.refreshTokenGrant(
    await context.clientConfigs.clientOf(login.account),
    { refreshToken, scope: undefined, audience },
    signal,
  )
  // A provider that does not rotate need not send the refresh token back (RFC 6749 §6).
  return completeLogin(
    login,
    { ...response, refreshToken: response.refreshToken ?? refreshToken },
    context,
  )
}

async function byDevice(
  login: Login,
  context: AgentContext,
  signal: AbortSignal,
): Promise<DeviceStartedReply> {
  const { account, passwordEntry } = login
  const authorization = await context.provider.deviceAuthorization(
    await context.clientConfigs.clientOf(account),
    { scope: account.authScope === '' ? undefined : account.authScope, audience: account.audience },
    signal,
  )
  context.deviceSessions.add(authorization.device_code, {
    account,
    passwordEntry,
    expiresAt: context.runtime.now() + authorization.expires_in * 1000,
  })
  return { status: 'accepted', oidc_device: authorization }
}

async function byPassword(
  login: Login,
  context: AgentContext,
  signal: AbortSignal,
): Promise<ConfigReply | AccessTokenReply> {
  const { fields, authScope, audience } = login.account
  const { username, password } = fields.reveal()
  if (typeof username !== 'string' || typeof password !== 'string' || username === '') {
    throw new AgentError('bad-request', 'Bad credentials')
  }
  const response = await context.provider.passwordGrant(
    await context.clientConfigs.clientOf(login.account),
    { username, password: new Secret(password), scope: authScope, audience },
    signal,
  )
  return completeLogin(login, response, context)
}

/** A flow that needs no person; the account repeats it for each token. */
function byRepeated(grant: GrantKind): Flow {
  return async (login, context, signal) => {
    const account = accountOf({ ...login.account.fields.reveal(), grant })
    const response = await tokenByGrant(account, defaultRequest, context, signal)
    return completeLogin({ ...login, account }, response, context)
  }
}

function loginOf(request: GenRequest): BrowserLogin {
  // What it was made by before does not count: the flow that succeeds now does.
  const { grant } = request.config
  const fields = grant === undefined ? request.config : { ...request.config, grant: '' }
  return {
    account: accountOf(fields),
    passwordEntry: request.pw_entry && new Secret(request.pw_entry),
    onlyAccessToken: request.only_at ?? false,
    noWebserver: request.no_webserver ?? false,
    noScheme: request.no_scheme ?? false,
  }
}

/** The default list begins with refresh; without a refresh token that is not what was meant. */
function isPossible(flow: string, { account }: Login): boolean {
  if (flow === 'refresh') return account.refreshToken !== undefined
  if (flow === 'password') return (account.fields.reveal()['username'] ?? '') !== ''
  if (flow === 'token-exchange') return account.subjectToken !== undefined
  return true
}

/** A network failure says nothing about the code: the next poll may succeed (RFC 8628 §3.5). */
function endsLogin(error: unknown): boolean {
  if (!(error instanceof AgentError)) return false
  const goesOn: readonly string[] = [
    'authorization-pending',
    'slow-down',
    'network',
    'provider-timeout',
    'provider-status',
    'provider-unavailable',
    'rate-limited',
  ]
  return !goesOn.includes(error.code)
}

/** A shorter state belongs to no login: the C agent reads three characters before it looks for a login. */
const SHORTEST_STATE = 3

/** Finishes a login by browser whose redirect came to another program (protocol.md §2.5). */
export const codeExchange: Handler<'code_exchange'> = (request, { authorizationSessions }) => {
  const query = queryOf(request.redirect_uri)
  const state = query.get('state') ?? ''
  if (state === '') throw bad('redirected uri did not contain state parameter')
  const error = errorIn(query)
  if (error !== undefined) throw authorizationSessions.refuse(state, error)
  const code = query.get('code') ?? ''
  if (code === '') throw bad('redirected uri did not contain code parameter')
  if (state.length < SHORTEST_STATE) throw bad('state malformed')
  const answer = { code, issuerParameter: query.get('iss') ?? undefined, isPassedOn: true }
  return authorizationSessions.exchange(state, answer, request.from_gen ?? false)
}

/** What became of a login by browser. */
export const stateLookup: Handler<'state_lookup'> = ({ state }, { authorizationSessions }) => {
  if (state.length < SHORTEST_STATE) throw bad('state malformed')
  return authorizationSessions.fetch(state)
}

/** Gives up a login by browser. That it is not known, or over, is no error. */
export const termHttpServer: Handler<'term_http_server'> = (
  { state },
  { authorizationSessions },
) => {
  if (state !== undefined) authorizationSessions.end(state)
  return { status: 'success' }
}

/** What follows the first question mark; clients send more than URLs here. */
function queryOf(redirected: string): URLSearchParams {
  const start = redirected.indexOf('?')
  const query = start < 0 ? '' : redirected.slice(start + 1)
  return new URLSearchParams(query.replace(/#.*$/s, ''))
}

function bad(text: string): AgentError {
  return new AgentError('bad-request', text)
}
