import { AgentError, errorOfReply } from './errors.ts'
import { isJsonObject, parseTolerantJson } from './json.ts'
import type {
  AccessTokenReply,
  AccountInfoReply,
  AccountStatus,
  BrowserStartedReply,
  ConfigReply,
  DeviceAuthorization,
  DeviceStartedReply,
  JsonObject,
  JsonValue,
  NothingToFetchReply,
  PlainReply,
  Replies,
  RequestType,
  StatusReply,
  TokenFileState,
} from './messages.ts'

/**
 * Checks the agent's reply to a request of one type. Clients decide by the presence of `error`, not
 * by `status` (protocol.md §2.1).
 * @throws AgentError what a failure reply tells of, or `message-malformed`
 */
export function parseReply<T extends RequestType>(type: T, text: string): Replies[T] {
  return checkReply(type, bodyOf(text))
}

/**
 * Checks a reply that is already an object.
 * @throws AgentError as {@link parseReply}
 */
export function checkReply<T extends RequestType>(type: T, body: JsonObject): Replies[T] {
  const error = body['error']
  if (typeof error === 'string') {
    const { info, code } = body
    throw errorOfReply({
      status: 'failure',
      error,
      info: typeof info === 'string' ? info.trimEnd() : undefined,
      code: typeof code === 'string' ? code : undefined,
    })
  }
  return readers[type](body)
}

function bodyOf(text: string): JsonObject {
  let body: JsonValue
  try {
    body = parseTolerantJson(text)
  } catch (cause) {
    throw malformed('is not JSON', cause)
  }
  if (!isJsonObject(body)) throw malformed('is not a JSON object')
  return body
}

type Readers = { readonly [T in RequestType]: (body: JsonObject) => Replies[T] }

const readers: Readers = {
  access_token: accessToken,
  id_token: (body) => ({
    status: 'success',
    id_token: text(body, 'id_token'),
    issuer: text(body, 'issuer'),
  }),
  loaded_accounts: (body) => ({ status: 'success', info: texts(body, 'info') }),
  account_info: accountInfo,
  check: plain,
  status,
  status_json: (body) => {
    const info = object(body, 'info')
    return {
      status: 'success',
      info: {
        version: text(info, 'version'),
        command_line_options: textOrNothing(info, 'command_line_options') ?? '',
        loaded_accounts: texts(info, 'loaded_accounts'),
        ...tokenFiles(info),
        accounts: accountStatuses(info['accounts']),
      },
    }
  },
  add: plain,
  gen: (body) => flowStarted(body) ?? flowEnd(body),
  device: flowEnd,
  code_exchange: flowEnd,
  state_lookup: (body) => nothingToFetch(body) ?? flowEnd(body),
  term_http_server: plain,
  register: (body) => ({
    status: 'success',
    client: object(body, 'client'),
    max_scopes: textOrNothing(body, 'max_scopes') ?? '',
  }),
  scopes: (body) => ({ ...status(body), family: textOrNothing(body, 'family') }),
  remove: plain,
  remove_all: plain,
  lock: plain,
  unlock: plain,
  delete: plain,
  delete_client: plain,
  file_write: plain,
  file_read: (body) => ({ status: 'success', data: text(body, 'data') }),
  file_remove: plain,
  token_file: (body) => ({
    status: 'success',
    path: text(body, 'path'),
    expires_at: number(body, 'expires_at') ?? 0,
    info: textOrNothing(body, 'info'),
  }),
  token_file_stop: plain,
  jwks: (body) => ({ status: 'success', jwks: object(body, 'jwks') }),
}

/** Absent in what the C agent replies. */
function accountStatuses(value: JsonValue | undefined): readonly AccountStatus[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.filter(isJsonObject).map((entry) => ({
    name: text(entry, 'name'),
    issuer: text(entry, 'issuer'),
    grant: text(entry, 'grant'),
    refresh_token_expires_at: number(entry, 'refresh_token_expires_at') ?? null,
    login_expired: entry['login_expired'] === true,
  }))
}

function plain(body: JsonObject): PlainReply {
  return { status: 'success', info: textOrNothing(body, 'info') }
}

function status(body: JsonObject): StatusReply {
  return { status: 'success', info: textOrNothing(body, 'info') ?? '' }
}

function accessToken(body: JsonObject): AccessTokenReply {
  return {
    status: 'success',
    access_token: text(body, 'access_token'),
    issuer: textOrNothing(body, 'issuer') ?? '',
    expires_at: number(body, 'expires_at') ?? 0,
    scope: textOrNothing(body, 'scope'),
    info: textOrNothing(body, 'info'),
    refresh_token_expires_at: number(body, 'refresh_token_expires_at'),
    login_expired: body['login_expired'] === true || undefined,
  }
}

function tokenFiles(info: JsonObject): { readonly token_files?: readonly TokenFileState[] } {
  const files = info['token_files']
  if (!Array.isArray(files)) return {}
  return { token_files: files.filter(isJsonObject).map(tokenFileState) }
}

function tokenFileState(body: JsonObject): TokenFileState {
  return {
    path: text(body, 'path'),
    account: text(body, 'account'),
    expires_at: number(body, 'expires_at') ?? 0,
    state: body['state'] === 'fresh' ? 'fresh' : 'retrying',
    error: textOrNothing(body, 'error'),
  }
}

function accountInfo(body: JsonObject): AccountInfoReply {
  const issuers = Object.entries(object(body, 'info')).map(([issuer, value]) => {
    const entry = isJsonObject(value) ? value : {}
    const pubclient = entry['pubclient'] === true
    const accounts = entry['accounts']
    if (!isJsonObject(accounts)) return [issuer, { pubclient }] as const
    const loaded = Object.entries(accounts).map(([name, is]) => [name, is === true] as const)
    return [issuer, { pubclient, accounts: Object.fromEntries(loaded) }] as const
  })
  return { status: 'success', info: Object.fromEntries(issuers) }
}

/** How a flow ends: with an account, or with a token where only that was asked for. */
function flowEnd(body: JsonObject): ConfigReply | AccessTokenReply {
  if (body['access_token'] !== undefined) return accessToken(body)
  return {
    status: 'success',
    config: object(body, 'config'),
    info: textOrNothing(body, 'info'),
  }
}

function flowStarted(body: JsonObject): DeviceStartedReply | BrowserStartedReply | undefined {
  const { oidc_device: device } = body
  if (isJsonObject(device)) return { status: 'accepted', oidc_device: deviceAuthorization(device) }
  if (body['uri'] === undefined) return undefined
  return { status: 'accepted', uri: text(body, 'uri'), state: text(body, 'state') }
}

function nothingToFetch(body: JsonObject): NothingToFetchReply | undefined {
  const { status } = body
  if (status !== 'NotFound' && status !== 'FoundButReceived') return undefined
  return { status, info: textOrNothing(body, 'info') ?? '' }
}

/** RFC 8628 §3.2; 5 s is its default interval. The C peer passes on what the provider left out. */
function deviceAuthorization(body: JsonObject): DeviceAuthorization {
  return {
    device_code: text(body, 'device_code'),
    user_code: text(body, 'user_code'),
    verification_uri: text(body, 'verification_uri'),
    verification_uri_complete: textOrNothing(body, 'verification_uri_complete'),
    expires_in: number(body, 'expires_in') ?? 600,
    interval: number(body, 'interval') ?? 5,
  }
}

function text(body: JsonObject, key: string): string {
  const value = textOrNothing(body, key)
  if (value === undefined) throw malformed(`has no ${key}`)
  return value
}

function textOrNothing(body: JsonObject, key: string): string | undefined {
  const value = body[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function texts(body: JsonObject, key: string): readonly string[] {
  const value = body[key]
  if (!Array.isArray(value)) throw malformed(`has no list ${key}`)
  return value.filter((item) => typeof item === 'string')
}

function object(body: JsonObject, key: string): JsonObject {
  const value = body[key]
  if (!isJsonObject(value)) throw malformed(`has no object ${key}`)
  return value
}

/** A number, or the text of one. */
function number(body: JsonObject, key: string): number | undefined {
  const value = body[key]
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

function malformed(what: string, cause?: unknown): AgentError {
  return new AgentError('message-malformed', `the agent's reply ${what}`, { cause })
}
