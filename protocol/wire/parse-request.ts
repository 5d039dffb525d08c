import { isAbsolute, resolve } from 'node:path'
import { AgentError, peerError } from './errors.ts'
import { badRequest, flag, hint, name, object, seconds, text, whole, wordList } from './fields.ts'
import type {
  FileKeyMessage,
  JsonObject,
  JsonValue,
  PasswordEntry,
  Request,
  RequestOf,
  RequestType,
} from './messages.ts'
import { KEY_BYTES, SALT_BYTES } from './sodium.ts'
import { decodeBase64 } from './text.ts'

/**
 * Checks a request: what comes out is never doubted again.
 * @throws AgentError `bad-request` or `not-implemented`, with the C peer's text where it has one
 */
export function parseRequest(body: JsonObject): Request {
  const type = text(body, 'request')
  if (type === undefined) throw badRequest('No request type.')
  if (!isRequestType(type)) throw badRequest('Unknown request type.')
  return parsers[type](body)
}

function isRequestType(type: string): type is RequestType {
  return Object.hasOwn(parsers, type)
}

type Parsers = { readonly [T in RequestType]: (body: JsonObject) => RequestOf<T> }

const parsers: Parsers = {
  access_token: (body) => ({
    request: 'access_token',
    ...tokenSelection(body),
    min_valid_period: whole(body, 'min_valid_period'),
    strict: flag(body, 'strict'),
  }),
  id_token: (body) => ({ request: 'id_token', ...tokenSelection(body) }),
  loaded_accounts: () => ({ request: 'loaded_accounts' }),
  account_info: () => ({ request: 'account_info' }),
  check: () => ({ request: 'check' }),
  status: () => ({ request: 'status' }),
  status_json: () => ({ request: 'status_json' }),
  add: (body) => ({
    request: 'add',
    config: account(body),
    pw_entry: passwordEntryOf(body['pw_entry']),
    lifetime: seconds(body, 'lifetime'),
    confirm: flag(body, 'confirm'),
    // 4.x calls it always_allow_id.
    always_allow_id_token: flag(body, 'always_allow_id_token') ?? flag(body, 'always_allow_id'),
    plain_add: flag(body, 'plain_add'),
    file_key: fileKey(body),
  }),
  gen: (body) => ({
    request: 'gen',
    config: account(body),
    flow: flow(body),
    pw_entry: passwordEntryOf(body['pw_entry']),
    no_webserver: flag(body, 'no_webserver'),
    no_scheme: flag(body, 'no_scheme'),
    only_at: flag(body, 'only_at'),
  }),
  device: (body) => ({
    request: 'device',
    oidc_device: required(object(body, 'oidc_device'), missing('getDeviceCodeFromJSON')),
    only_at: flag(body, 'only_at'),
  }),
  code_exchange: (body) => ({
    request: 'code_exchange',
    redirect_uri: required(text(body, 'redirect_uri'), missing('oidcd_handleCodeExchange')),
    from_gen: flag(body, 'from_gen'),
  }),
  state_lookup: (body) => ({
    request: 'state_lookup',
    state: required(text(body, 'state'), new AgentError('bad-request', 'state malformed')),
  }),
  term_http_server: (body) => ({ request: 'term_http_server', state: text(body, 'state') }),
  register: (body) => ({
    request: 'register',
    config: account(body),
    flow: flow(body),
    authorization: name(body, 'authorization'),
  }),
  scopes,
  remove: (body) => ({
    request: 'remove',
    account: required(
      name(body, 'account'),
      badRequest('Have to provide shortname of the account config that should be removed.'),
    ),
  }),
  remove_all: () => ({ request: 'remove_all' }),
  lock: (body) => ({ request: 'lock', password: password(body) }),
  unlock: (body) => ({ request: 'unlock', password: password(body) }),
  delete: (body) => ({ request: 'delete', config: account(body) }),
  delete_client: (body) => ({
    request: 'delete_client',
    registration_client_uri: name(body, 'registration_client_uri'),
    registration_access_token: name(body, 'registration_access_token'),
    cert_path: name(body, 'cert_path'),
  }),
  file_write: (body) => ({
    request: 'file_write',
    filename: filename(body),
    data: required(text(body, 'data'), absent('data')),
  }),
  file_read: (body) => ({ request: 'file_read', filename: filename(body) }),
  file_remove: (body) => ({ request: 'file_remove', filename: filename(body) }),
  token_file: (body) => ({
    request: 'token_file',
    ...tokenSelection(body),
    path: absolutePath(body),
    min_valid_period: seconds(body, 'min_valid_period'),
    strict: flag(body, 'strict'),
    once: flag(body, 'once'),
    leave: flag(body, 'leave'),
    owner_pid: whole(body, 'owner_pid'),
  }),
  token_file_stop: (body) => ({ request: 'token_file_stop', path: absolutePath(body) }),
  jwks: (body) => ({
    request: 'jwks',
    issuer: required(name(body, 'issuer'), absent('issuer')),
    cert_path: name(body, 'cert_path'),
  }),
}

/** What access and ID token requests share. */
function tokenSelection(body: JsonObject): {
  readonly account: string | undefined
  readonly issuer: string | undefined
  readonly scope: string | undefined
  readonly audience: string | undefined
  readonly application_hint: string | undefined
} {
  const account = name(body, 'account')
  const issuer = name(body, 'issuer')
  if (account === undefined && issuer === undefined) throw peerError('not-implemented')
  return {
    account,
    issuer,
    scope: name(body, 'scope'),
    audience: name(body, 'audience'),
    application_hint: hint(body, 'application_hint'),
  }
}

function scopes(body: JsonObject): RequestOf<'scopes'> {
  const issuer = name(body, 'issuer')
  const endpoint = name(body, 'config_endpoint')
  // What 5.x's oidc-gen prints where it has none.
  const config_endpoint = endpoint === '(null)' ? undefined : endpoint
  if (issuer === undefined && config_endpoint === undefined) {
    throw badRequest('issuer url or configuration endpoint must be given')
  }
  return { request: 'scopes', issuer, config_endpoint, cert_path: name(body, 'cert_path') }
}

function account(body: JsonObject): JsonObject {
  return required(object(body, 'config'), missing('getAccountFromJSON'))
}

/** The order in which the C peer tries flows where none are named. */
const allFlows: readonly string[] = ['refresh', 'password', 'code', 'device']

function flow(body: JsonObject): readonly string[] {
  const named = wordList(body, 'flow')
  return named === undefined || named.length === 0 ? allFlows : named
}

function password(body: JsonObject): string {
  return required(text(body, 'password'), absent('password'))
}

function filename(body: JsonObject): string {
  return required(text(body, 'filename'), absent('filename'))
}

/** A path that means the same file to client and agent, whatever directory they are in. */
function absolutePath(body: JsonObject): string {
  const path = required(name(body, 'path'), absent('path'))
  if (!isAbsolute(path) || resolve(path) !== path) {
    throw badRequest('path must be absolute, without . or .. in it')
  }
  return path
}

/** How to get a file's password, or undefined: a bad one fails no request (protocol.md §2.4). */
export function passwordEntryOf(value: JsonValue | undefined): PasswordEntry | undefined {
  const entry = objectOrNothing({ value: value ?? null })
  if (entry === undefined) return undefined
  return {
    account: text(entry, 'account'),
    type: whole(entry, 'type') ?? 0,
    password: text(entry, 'password'),
    command: text(entry, 'command'),
    pw_file: text(entry, 'pw_file'),
    gpg_key: text(entry, 'gpg_key'),
    expires_at: whole(entry, 'expires_at'),
    expires_after: whole(entry, 'expires_after'),
  }
}

function objectOrNothing(body: JsonObject): JsonObject | undefined {
  try {
    return object(body, 'value')
  } catch {
    return undefined
  }
}

function fileKey(body: JsonObject): FileKeyMessage | undefined {
  const message = object(body, 'file_key')
  if (message === undefined) return undefined
  return { salt: bytes(message, 'salt', SALT_BYTES), key: bytes(message, 'key', 2 * KEY_BYTES) }
}

/** Base64 of a known number of bytes. */
function bytes(body: JsonObject, key: string, length: number): string {
  const value = text(body, key) ?? ''
  if (decodeBase64(value)?.length !== length) {
    throw badRequest(`file_key: ${key} must be ${length} bytes in base64`)
  }
  return value
}

function required<T>(value: T | undefined, error: AgentError): T {
  if (value === undefined) throw error
  return value
}

function missing(reader: string): AgentError {
  return new AgentError('bad-request', `Argument is NULL in function ${reader}`)
}

function absent(key: string): AgentError {
  return badRequest(`Required field '${key}' not present.`)
}
