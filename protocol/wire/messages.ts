import { errorOfReply, type FailureReply, peerError } from './errors.ts'
import {
  absolutePath,
  badRequest,
  configEndpoint,
  type Fields,
  flag,
  hint,
  keyBytes,
  type Message,
  name,
  nested,
  object,
  readFields,
  required,
  requiredWithout,
  seconds,
  text,
  whole,
  withAlias,
  withDefault,
  wordList,
} from './fields.ts'
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'
import * as reply from './reply-fields.ts'

/**
 * The vocabulary: every request that the agent answers and every reply that it gives, by their
 * names on the wire (protocol.md §2), each declared once. Types and parsers follow from the
 * declarations. One connection carries one request and one reply; the agent never asks a client
 * anything. Fields marked "ours" are additions that the C peer ignores. A new request gets its
 * fields in `requests`, its reply in `replies`, a row in agent/dispatch.ts and a handler.
 */

export type { JsonObject, JsonValue } from './json.ts'
/** A space separated list, as RFC 6749 §3.3 writes scopes and INDIGO IAM reads audiences. */
export type SpaceSeparated = string
/** Seconds since 1970 (Unix time). */
export type UnixSeconds = number

const passwordEntry = {
  account: text,
  /** Bit set: 1 memory, 4 command, 8 prompt, 16 file, 32 gpg. */
  type: (body: JsonObject, key: string) => whole(body, key) ?? 0,
  password: text,
  command: text,
  pw_file: text,
  gpg_key: text,
  /** Unix time. */
  expires_at: whole,
  /** Seconds. */
  expires_after: whole,
}

/** How the agent may get the password of an account file later (protocol.md §2.4, table `pw_entry`). */
export type PasswordEntry = Message<typeof passwordEntry>

/** The password entry in `value`, or undefined: a bad entry fails no request (protocol.md §2.4). */
export function passwordEntryOf(value: JsonValue | undefined): PasswordEntry | undefined {
  try {
    return nested(passwordEntry)({ value: value ?? null }, 'value')
  } catch {
    return undefined
  }
}

function pwEntry(body: JsonObject, key: string): PasswordEntry | undefined {
  return passwordEntryOf(body[key])
}

/**
 * The fields of every request. In a function, so that the bundles of the commands, which send
 * requests and read none, are without it.
 */
function requests() {
  /** Which token is requested. */
  const tokenSelection = {
    /** Name of the account. */
    account: name,
    /** URL of the provider, to choose one of its accounts; `account` wins over it. */
    issuer: requiredWithout('account', name, () => peerError('not-implemented')),
    /** Space separated (RFC 6749 §3.3). Absent: the scopes of the account. */
    scope: name,
    /** Space separated. Absent: the audience of the account. */
    audience: name,
    /** The client in its own words: never trusted, only shown. */
    application_hint: hint,
    /** Ours: names this request in a `check` while it is under way. */
    nonce: name,
  }
  /** The decrypted JSON of an account (protocol.md §3.4). */
  const config = required(object, 'Argument is NULL in function getAccountFromJSON')
  /** Names of flows, most wanted first. Absent: all, in the order in which the C peer tries them. */
  const flow = withDefault(wordList, ['refresh', 'password', 'code', 'device'])

  return {
    /** Request an access token. The reply is a token or an error, never a question. */
    access_token: {
      ...tokenSelection,
      /** Seconds for which the token must still be valid; −1 or lower forces a new token. */
      min_valid_period: whole,
      /** Ours. True: a token that differs from the requested one is an error. */
      strict: flag,
    },

    id_token: tokenSelection,

    loaded_accounts: {},
    account_info: {},
    /** `nonce`, ours: of a request of this client, to learn whether the agent still works on it. */
    check: { nonce: name },
    status: {},
    status_json: {},

    /** Load an account. */
    add: {
      config,
      pw_entry: pwEntry,
      /** Seconds until the account is removed again; 0 = never. Absent: the agent's default. */
      lifetime: seconds,
      confirm: flag,
      /** The clients of 4.x call it `always_allow_id`. */
      always_allow_id_token: withAlias(flag, 'always_allow_id'),
      /** True: do not test the account with a refresh. */
      plain_add: flag,
      /** Ours: what `oidc-add` derived from the password, so that the agent can seal the file without it. */
      file_key: nested({
        /** 16 bytes, base64. */
        salt: keyBytes(16),
        /** 64 bytes, base64: 32 key ‖ 32 check value (protocol.md §3.3). */
        key: keyBytes(64),
      }),
    },

    /** Get a first token for a new or changed account (protocol.md §2.5). */
    gen: {
      config,
      flow,
      pw_entry: pwEntry,
      no_webserver: flag,
      no_scheme: flag,
      /** True: reply with an access token and keep nothing. */
      only_at: flag,
    },

    /** Ask once whether the person has approved the device code yet. */
    device: {
      oidc_device: required(object, 'Argument is NULL in function getDeviceCodeFromJSON'),
      only_at: flag,
    },

    /** Finish a login by browser with the URL of its redirect (protocol.md §2.5). */
    code_exchange: {
      /** The whole URL, with `code` and `state` in its query. */
      redirect_uri: required(text, 'Argument is NULL in function oidcd_handleCodeExchange'),
      /** True: this client saves the account, so `state_lookup` need not return it to another one. */
      from_gen: flag,
    },

    /** Ask once for the result of a login by browser. */
    state_lookup: { state: required(text, 'state malformed') },

    /** Give up a login by browser: the agent stops waiting for its redirect. */
    term_http_server: { state: text },

    /** Register a client dynamically (RFC 7591). */
    register: {
      config,
      flow,
      /** Initial access token (RFC 7591 §3). */
      authorization: name,
    },

    /** Ask which scopes a provider supports. */
    scopes: {
      issuer: name,
      config_endpoint: requiredWithout('issuer', configEndpoint, () =>
        badRequest('issuer url or configuration endpoint must be given'),
      ),
      /** CA bundle of the provider. */
      cert_path: name,
    },

    /** Unload an account. */
    remove: {
      account: required(
        name,
        'Bad Request: Have to provide shortname of the account config that should be removed.',
      ),
    },
    remove_all: {},

    lock: { password: required(text) },
    unlock: { password: required(text) },

    /** Revoke the refresh token of `config` and unload the account. */
    delete: { config },

    /** Delete a registered client (RFC 7592 §2.3). */
    delete_client: {
      registration_client_uri: name,
      registration_access_token: name,
      /** CA bundle of the provider. */
      cert_path: name,
    },

    /** Store a text in the agent's memory, as the C tools do (protocol.md §2.4). `filename` is not a path. */
    file_write: { filename: required(text), data: required(text) },
    file_read: { filename: required(text) },
    file_remove: { filename: required(text) },

    /**
     * Ours: write a token to a file, where WLCG Bearer Token Discovery finds it, and keep it fresh
     * until `token_file_stop`, until the account is removed or until the agent ends.
     */
    token_file: {
      ...tokenSelection,
      path: required(absolutePath),
      /** Seconds for which the token in the file is always valid, if the provider's lifetime allows it. */
      min_valid_period: seconds,
      /** True: a token that differs from the requested one is not written, now or when it is renewed. */
      strict: flag,
      /** True: the file is written once and not kept fresh. */
      once: flag,
      /** True: the file stays when the agent ends. */
      leave: flag,
      /**
       * The process that the file is for. When that process has ended, however it ended, the agent
       * removes the file, and its directory if that is then empty.
       */
      owner_pid: whole,
      /** When that process started, as /proc has it: in another container the pid is another process. */
      owner_started: text,
      /** What the client read in the file that `token_file_probe` made. */
      probe: text,
    },

    /** Ours: make a file beside a token file to be, which the client reads to show that it is the same file. */
    token_file_probe: { path: required(absolutePath) },

    /** Ours: stop keeping a file fresh, and remove it. */
    token_file_stop: { path: required(absolutePath) },

    /**
     * Ours: get the public keys with which an issuer signs its tokens. The request carries no
     * token: the client checks the signature itself.
     */
    jwks: {
      issuer: required(name),
      /** CA bundle of the issuer, if no loaded account is of that issuer and no issuer file names one. */
      cert_path: name,
    },

    /** Ours: open a restricted socket, whose peers get access tokens within the limits of `allow` only. */
    share: {
      path: required(absolutePath),
      /** What it gives out, at most: each in the form of ceiling.ts. */
      allow: required(wordList),
      /** Seconds until it is closed; 0 or absent: with the agent. */
      share_for: seconds,
    },

    /** Ours: close a restricted socket. */
    unshare: { path: required(absolutePath) },
  } satisfies Readonly<Record<string, Fields>>
}

type Requests = ReturnType<typeof requests>

export type RequestType = keyof Requests
export type RequestOf<T extends RequestType> = { readonly request: T } & Message<Requests[T]>
export type Request = { [T in RequestType]: RequestOf<T> }[RequestType]

/** The fields that the requests for a token have in common: which token is requested. */
export type TokenSelection = Message<Requests['id_token']>
export type AddRequest = RequestOf<'add'>
export type GenRequest = RequestOf<'gen'>
export type TokenFileRequest = RequestOf<'token_file'>

/**
 * Checks a request: the result is not checked again.
 * @throws AgentError `bad-request` or `not-implemented`, with the C peer's text if it has one
 */
export function parseRequest(body: JsonObject): Request {
  const request = text(body, 'request')
  if (request === undefined) throw badRequest('No request type.')
  const fields = fieldsOf(request)
  if (fields === undefined) throw badRequest('Unknown request type.')
  // The table pairs each type with its own fields, which the compiler cannot see through an index.
  return { request, ...readFields(fields, body) } as Request
}

function fieldsOf(type: string): Fields | undefined {
  const table: Readonly<Record<string, Fields>> = requests()
  return Object.hasOwn(table, type) ? table[type] : undefined
}

type ReplyReader<R> = (body: JsonObject) => R

function declareReply<F extends Fields>(fields: F): ReplyReader<Message<F>> {
  return (body) => readFields(fields, body)
}

const success = (): 'success' => 'success'
const accepted = (): 'accepted' => 'accepted'

/** A success without a result, sometimes with a text for the person. */
const plainReply = declareReply({ status: success, info: reply.optionalText })

const accessTokenReply = declareReply({
  status: success,
  access_token: reply.text,
  /** As the provider publishes it in its discovery document. */
  issuer: reply.anyText,
  /** Expiry of this token in Unix time; 0 = unknown. */
  expires_at: reply.number(0),
  /** Ours: the granted scope, space separated, if the provider reports it. */
  scope: reply.optionalText,
  /** Ours: the differences between the requested and the granted token, one a line. */
  info: reply.optionalText,
  /** Ours: when the login ends, in Unix time, if that is known. */
  refresh_token_expires_at: reply.optionalNumber,
  /** Ours. True: the provider has refused the refresh token; this access token is an earlier one. */
  login_expired: reply.trueOrAbsent,
})

/** The end of a login: the account with its new refresh token. */
const configReply = declareReply({
  status: success,
  config: reply.object,
  info: reply.optionalText,
})

/** The end of a login: an account, or an access token if the request had `only_at`. */
function loginReply(body: JsonObject): ConfigReply | AccessTokenReply {
  return body['access_token'] === undefined ? configReply(body) : accessTokenReply(body)
}

/** RFC 8628 §3.2. The C peer passes on what the provider left out. */
const deviceAuthorization = {
  device_code: reply.text,
  user_code: reply.text,
  verification_uri: reply.text,
  verification_uri_complete: reply.optionalText,
  /** Seconds. */
  expires_in: reply.number(600),
  /** Seconds between polls; 5 is the default of RFC 8628. */
  interval: reply.number(5),
}

/** A device login has started, and waits for the person. */
const deviceStartedReply = declareReply({
  status: accepted,
  oidc_device: reply.nested(deviceAuthorization),
})

/** A login by browser has started, and waits for the redirect (RFC 6749 §4.1). */
const browserStartedReply = declareReply({
  status: accepted,
  /** URL to open in the browser. */
  uri: reply.text,
  /** Identifies the login in `state_lookup`. */
  state: reply.text,
})

function genReply(
  body: JsonObject,
): DeviceStartedReply | BrowserStartedReply | ConfigReply | AccessTokenReply {
  if (isJsonObject(body['oidc_device'])) return deviceStartedReply(body)
  return body['uri'] === undefined ? loginReply(body) : browserStartedReply(body)
}

/** A login by browser that has not ended, or whose account another client has fetched. */
const nothingToFetchReply = declareReply({
  status: reply.oneOf('NotFound', 'FoundButReceived'),
  info: reply.anyText,
})

function stateLookupReply(body: JsonObject): NothingToFetchReply | ConfigReply | AccessTokenReply {
  const { status } = body
  const hasResult = status !== 'NotFound' && status !== 'FoundButReceived'
  return hasResult ? loginReply(body) : nothingToFetchReply(body)
}

/** A loaded account as `oidc-agent --status --json` shows it. */
const accountStatus = {
  name: reply.text,
  issuer: reply.text,
  grant: reply.text,
  /** Unix time; null = unknown. */
  refresh_token_expires_at: reply.number(null),
  /** True: the provider refused the refresh token; a new login is needed. */
  login_expired: reply.isTrue,
}

/** A token file that the agent keeps fresh. */
const tokenFileState = {
  path: reply.text,
  account: reply.text,
  /** Expiry of the token in the file, in Unix time; 0 = unknown, or the file has no token now. */
  expires_at: reply.number(0),
  state: reply.oneOf('retrying', 'fresh'),
  /** Why the token could not be renewed. */
  error: reply.optionalText,
}

/** A restricted socket. */
const shareState = {
  path: reply.text,
  allow: reply.texts,
  /** When it is closed, in Unix time; null = with the agent. */
  expires_at: reply.number(null),
}

/** The reply to each request if it succeeds. */
const replies = {
  access_token: accessTokenReply,
  id_token: declareReply({ status: success, id_token: reply.text, issuer: reply.text }),
  /** Names of the loaded accounts. */
  loaded_accounts: declareReply({ status: success, info: reply.texts }),
  account_info: declareReply({
    status: success,
    /** The known issuers, by their URLs. */
    info: reply.record(
      reply.nestedOrEmpty({
        /** Whether a public client is known for it. */
        pubclient: reply.isTrue,
        /** Whether each of its accounts is loaded now, by the names of the accounts. */
        accounts: reply.optionalRecord(reply.isTrue),
      }),
    ),
  }),
  check: declareReply({
    status: success,
    /** Ours, for a `nonce`. `person`: the request waits until a person has answered the agent. */
    request_state: reply.optional(reply.oneOf('unknown', 'running', 'person')),
  }),
  status: declareReply({ status: success, info: reply.anyText }),
  status_json: declareReply({
    status: success,
    info: reply.nested({
      version: reply.text,
      command_line_options: reply.anyText,
      loaded_accounts: reply.texts,
      /** Ours; absent if the agent keeps no file. */
      token_files: reply.list(tokenFileState),
      /** Ours; absent if the agent has no restricted socket. */
      shares: reply.list(shareState),
      /** Ours. */
      accounts: reply.list(accountStatus),
    }),
  }),
  add: plainReply,
  gen: genReply,
  device: loginReply,
  code_exchange: loginReply,
  state_lookup: stateLookupReply,
  term_http_server: plainReply,
  register: declareReply({
    status: success,
    /** The provider's registration response, unchanged. */
    client: reply.object,
    /** All scopes that the provider says it supports, space separated. */
    max_scopes: reply.anyText,
  }),
  scopes: declareReply({
    status: success,
    /** Space separated. */
    info: reply.anyText,
    /** Ours: the product or service that the provider is, if we know it: `iam`, for example. */
    family: reply.optionalText,
  }),
  remove: plainReply,
  remove_all: plainReply,
  lock: plainReply,
  unlock: plainReply,
  delete: plainReply,
  delete_client: plainReply,
  file_write: plainReply,
  file_read: declareReply({ status: success, data: reply.text }),
  file_remove: plainReply,
  token_file: declareReply({
    status: success,
    path: reply.text,
    /** Expiry of the token in the file, in Unix time; 0 = unknown. */
    expires_at: reply.number(0),
    info: reply.optionalText,
  }),
  /** `name`: of the file that was made, without its directory. */
  token_file_probe: declareReply({ status: success, name: reply.text }),
  token_file_stop: plainReply,
  jwks: declareReply({
    status: success,
    /** A JWK set (RFC 7517 §5), unchanged. */
    jwks: reply.object,
  }),
  share: declareReply({ status: success, path: reply.text, info: reply.optionalText }),
  unshare: plainReply,
} satisfies Readonly<Record<RequestType, ReplyReader<unknown>>>

export type Replies = { readonly [T in RequestType]: ReturnType<(typeof replies)[T]> }
export type Reply = Replies[RequestType] | FailureReply

export type PlainReply = ReturnType<typeof plainReply>
export type AccessTokenReply = ReturnType<typeof accessTokenReply>
export type IdTokenReply = Replies['id_token']
export type AccountInfoReply = Replies['account_info']
export type StatusJsonReply = Replies['status_json']
export type TokenFileReply = Replies['token_file']
export type ConfigReply = ReturnType<typeof configReply>
export type DeviceStartedReply = ReturnType<typeof deviceStartedReply>
export type BrowserStartedReply = ReturnType<typeof browserStartedReply>
export type NothingToFetchReply = ReturnType<typeof nothingToFetchReply>

export type DeviceAuthorization = Message<typeof deviceAuthorization>
export type AccountStatus = Message<typeof accountStatus>
export type ShareState = Message<typeof shareState>
export type TokenFileState = Message<typeof tokenFileState>

/**
 * Checks the agent's reply to a request of one type. Clients decide by the presence of `error`, not
 * by `status` (protocol.md §2.1).
 * @throws AgentError the error that a failure reply reports, or `message-malformed`
 */
export function parseReply<T extends RequestType>(type: T, text: string): Replies[T] {
  return checkReply(type, reply.bodyOf(text))
}

/**
 * Checks a reply that is already an object.
 * @throws AgentError as {@link parseReply}
 */
export function checkReply<T extends RequestType>(type: T, body: JsonObject): Replies[T] {
  const { error, info, code } = body
  if (typeof error === 'string') {
    throw errorOfReply({
      status: 'failure',
      error,
      info: typeof info === 'string' ? info.trimEnd() : undefined,
      code: typeof code === 'string' ? code : undefined,
    })
  }
  const readers: { readonly [R in RequestType]: ReplyReader<Replies[R]> } = replies
  return readers[type](body)
}
