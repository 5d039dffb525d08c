/**
 * The vocabulary: every request the agent answers and every reply it gives, by the names they have
 * on the wire (protocol.md §2). One connection carries one request and one reply; the agent never
 * asks a client anything. Fields marked "ours" are additions the C peer ignores.
 */

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }
export type JsonObject = Readonly<Record<string, JsonValue>>

/** A space separated list, as RFC 6749 §3.3 writes scopes and INDIGO IAM reads audiences. */
export type SpaceSeparated = string
/** Seconds since 1970 (Unix time). */
export type UnixSeconds = number

/** Ask for an access token. `account` wins over `issuer`. Answered by a token or an error, never by a question. */
export interface AccessTokenRequest {
  readonly request: 'access_token'
  readonly account?: string | undefined
  readonly issuer?: string | undefined
  /** Seconds of life the token must still have; −1 or lower forces a new one. */
  readonly min_valid_period?: number | undefined
  readonly scope?: SpaceSeparated | undefined
  readonly audience?: SpaceSeparated | undefined
  /** Who asks, in the client's own words: never trusted, only shown. */
  readonly application_hint?: string | undefined
  /** Ours. True: a token that is not what was asked for is an error. */
  readonly strict?: boolean | undefined
}

export interface IdTokenRequest {
  readonly request: 'id_token'
  readonly account?: string | undefined
  readonly issuer?: string | undefined
  readonly scope?: SpaceSeparated | undefined
  readonly audience?: SpaceSeparated | undefined
  readonly application_hint?: string | undefined
}

export interface LoadedAccountsRequest {
  readonly request: 'loaded_accounts'
}
export interface AccountInfoRequest {
  readonly request: 'account_info'
}
export interface CheckRequest {
  readonly request: 'check'
}
export interface StatusRequest {
  readonly request: 'status'
}
export interface StatusJsonRequest {
  readonly request: 'status_json'
}

/** How the agent may get an account file's password later (protocol.md §2.4, table `pw_entry`). */
export interface PasswordEntry {
  readonly account?: string | undefined
  /** Bit set: 1 memory, 4 command, 8 prompt, 16 file, 32 gpg. */
  readonly type: number
  readonly password?: string | undefined
  readonly command?: string | undefined
  readonly pw_file?: string | undefined
  readonly gpg_key?: string | undefined
  readonly expires_at?: UnixSeconds | undefined
  readonly expires_after?: number | undefined
}

/** Ours: what `oidc-add` derived from the password, so that the agent can re-seal the file without it. */
export interface FileKeyMessage {
  /** 16 bytes, base64. */
  readonly salt: string
  /** 64 bytes, base64: 32 key ‖ 32 check value (protocol.md §3.3). */
  readonly key: string
}

/** Load an account. `config` is the decrypted account JSON (protocol.md §3.4). */
export interface AddRequest {
  readonly request: 'add'
  readonly config: JsonObject
  readonly pw_entry?: PasswordEntry | undefined
  /** Seconds until the account is removed again; 0 = never. Absent: the agent's default. */
  readonly lifetime?: number | undefined
  readonly confirm?: boolean | undefined
  readonly always_allow_id_token?: boolean | undefined
  /** True: do not test the account with a refresh. */
  readonly plain_add?: boolean | undefined
  /** Ours. */
  readonly file_key?: FileKeyMessage | undefined
}

/** Get a first token for a new or changed account (protocol.md §2.5). */
export interface GenRequest {
  readonly request: 'gen'
  readonly config: JsonObject
  /** Flow names, most wanted first. */
  readonly flow: readonly string[]
  readonly pw_entry?: PasswordEntry | undefined
  readonly no_webserver?: boolean | undefined
  readonly no_scheme?: boolean | undefined
  /** True: answer with an access token and keep nothing. */
  readonly only_at?: boolean | undefined
}

/** Ask once whether the person has approved the device code yet. */
export interface DeviceRequest {
  readonly request: 'device'
  readonly oidc_device: JsonObject
  readonly only_at?: boolean | undefined
}

/** Finish a login by browser with the address it was sent back to (protocol.md §2.5). */
export interface CodeExchangeRequest {
  readonly request: 'code_exchange'
  /** The whole address, with `code` and `state` in its query. */
  readonly redirect_uri: string
  /** True: the asker keeps the account, nobody else need fetch it by {@link StateLookupRequest}. */
  readonly from_gen?: boolean | undefined
}

/** Ask once what became of a login by browser. */
export interface StateLookupRequest {
  readonly request: 'state_lookup'
  readonly state: string
}

/** Give up a login by browser: nobody waits for its redirect any more. */
export interface TermHttpServerRequest {
  readonly request: 'term_http_server'
  readonly state?: string | undefined
}

/** Register a client dynamically (RFC 7591). */
export interface RegisterRequest {
  readonly request: 'register'
  readonly config: JsonObject
  readonly flow: readonly string[]
  /** Initial access token (RFC 7591 §3). */
  readonly authorization?: string | undefined
}

/** Ask which scopes a provider supports. */
export interface ScopesRequest {
  readonly request: 'scopes'
  readonly issuer?: string | undefined
  readonly config_endpoint?: string | undefined
  readonly cert_path?: string | undefined
}

export interface RemoveRequest {
  readonly request: 'remove'
  readonly account: string
}
export interface RemoveAllRequest {
  readonly request: 'remove_all'
}
export interface LockRequest {
  readonly request: 'lock'
  readonly password: string
}
export interface UnlockRequest {
  readonly request: 'unlock'
  readonly password: string
}

/** Revoke the refresh token of `config` and unload the account. */
export interface DeleteRequest {
  readonly request: 'delete'
  readonly config: JsonObject
}

/** Delete a registered client (RFC 7592 §2.3). */
export interface DeleteClientRequest {
  readonly request: 'delete_client'
  readonly registration_client_uri?: string | undefined
  readonly registration_access_token?: string | undefined
  readonly cert_path?: string | undefined
}

/**
 * Ours: the public keys an issuer signs its tokens with. No token is sent: whoever asks checks the
 * signature.
 */
export interface JwksRequest {
  readonly request: 'jwks'
  readonly issuer: string
  /** Whom to trust for it, where no loaded account is of that issuer and no issuer file names it. */
  readonly cert_path?: string | undefined
}

/** A small in-memory store the C tools park data in (protocol.md §2.4). `filename` is no path. */
export interface FileWriteRequest {
  readonly request: 'file_write'
  readonly filename: string
  readonly data: string
}
export interface FileReadRequest {
  readonly request: 'file_read'
  readonly filename: string
}
export interface FileRemoveRequest {
  readonly request: 'file_remove'
  readonly filename: string
}

/**
 * Ours: write a token to a file, where WLCG Bearer Token Discovery finds it, and keep it fresh until
 * it is told to stop, the account is removed or the agent ends.
 */
export interface TokenFileRequest {
  readonly request: 'token_file'
  readonly account?: string | undefined
  readonly issuer?: string | undefined
  readonly scope?: SpaceSeparated | undefined
  readonly audience?: SpaceSeparated | undefined
  readonly application_hint?: string | undefined
  /** Absolute. */
  readonly path: string
  /** Seconds of life the token in the file always has, as far as the provider's lifetime allows. */
  readonly min_valid_period?: number | undefined
  /** True: a token that is not what was asked for is not written, now or when it is renewed. */
  readonly strict?: boolean | undefined
  /** True: written once and not kept fresh. */
  readonly once?: boolean | undefined
  /** True: the file stays when the agent ends. */
  readonly leave?: boolean | undefined
  /**
   * The process the file is for. When it has gone, however it ended, the file goes, and its directory
   * if nothing else is in it.
   */
  readonly owner_pid?: number | undefined
}

/** Ours: stop keeping a file, and remove it. */
export interface TokenFileStopRequest {
  readonly request: 'token_file_stop'
  readonly path: string
}

export type Request =
  | AccessTokenRequest
  | IdTokenRequest
  | LoadedAccountsRequest
  | AccountInfoRequest
  | CheckRequest
  | StatusRequest
  | StatusJsonRequest
  | AddRequest
  | GenRequest
  | DeviceRequest
  | CodeExchangeRequest
  | StateLookupRequest
  | TermHttpServerRequest
  | RegisterRequest
  | ScopesRequest
  | RemoveRequest
  | RemoveAllRequest
  | LockRequest
  | UnlockRequest
  | DeleteRequest
  | DeleteClientRequest
  | FileWriteRequest
  | FileReadRequest
  | FileRemoveRequest
  | TokenFileRequest
  | TokenFileStopRequest
  | JwksRequest

export type RequestType = Request['request']
export type RequestOf<T extends RequestType> = Extract<Request, { readonly request: T }>

/** A success with nothing to tell but, sometimes, a text for the person. */
export interface PlainReply {
  readonly status: 'success'
  readonly info?: string | undefined
}

export interface AccessTokenReply {
  readonly status: 'success'
  readonly access_token: string
  /** As the provider publishes it in its discovery document. */
  readonly issuer: string
  /** This token's own expiry; 0 = unknown. */
  readonly expires_at: UnixSeconds
  /** Ours: what was granted, where the provider said it. */
  readonly scope?: SpaceSeparated | undefined
  /** Ours: what differs from what was asked, a line each. */
  readonly info?: string | undefined
  /** Ours: when the login ends, where that is known. */
  readonly refresh_token_expires_at?: UnixSeconds | undefined
  /** Whether the provider has said that it is over: the token is one of before. */
  readonly login_expired?: true | undefined
}

export interface IdTokenReply {
  readonly status: 'success'
  readonly id_token: string
  readonly issuer: string
}

export interface LoadedAccountsReply {
  readonly status: 'success'
  readonly info: readonly string[]
}

/** Known issuers; `accounts` maps short names to "loaded now". */
export interface AccountInfoReply {
  readonly status: 'success'
  readonly info: Readonly<
    Record<
      string,
      { readonly pubclient: boolean; readonly accounts?: Readonly<Record<string, boolean>> }
    >
  >
}

export interface StatusReply {
  readonly status: 'success'
  readonly info: string
}

export interface ScopesReply {
  readonly status: 'success'
  readonly info: SpaceSeparated
  /** Ours: which of the products and services we know the provider is, `iam` for one. */
  readonly family?: string | undefined
}

export interface StatusJsonReply {
  readonly status: 'success'
  readonly info: {
    readonly version: string
    readonly command_line_options: string
    readonly loaded_accounts: readonly string[]
    /** Ours. */
    readonly accounts?: readonly AccountStatus[] | undefined
    /** Ours; absent where no file is kept. */
    readonly token_files?: readonly TokenFileState[] | undefined
  }
}

/** A token file the agent keeps fresh. */
export interface TokenFileState {
  readonly path: string
  readonly account: string
  /** Of the token in it; 0 = unknown, or there is none now. */
  readonly expires_at: UnixSeconds
  readonly state: 'fresh' | 'retrying'
  /** Why it could not be renewed. */
  readonly error?: string | undefined
}

export interface TokenFileReply {
  readonly status: 'success'
  readonly path: string
  /** Of the token in it; 0 = unknown. */
  readonly expires_at: UnixSeconds
  readonly info?: string | undefined
}

/** A loaded account as `oidc-agent --status --json` shows it. */
export interface AccountStatus {
  readonly name: string
  readonly issuer: string
  readonly grant: string
  /** Null: not known. */
  readonly refresh_token_expires_at: UnixSeconds | null
  /** True: the provider refused the refresh token; a new login is needed. */
  readonly login_expired: boolean
}

/** A flow that ended: the account with its new refresh token. */
export interface ConfigReply {
  readonly status: 'success'
  readonly config: JsonObject
  readonly info?: string | undefined
}

/** RFC 8628 §3.2. */
export interface DeviceAuthorization {
  readonly device_code: string
  readonly user_code: string
  readonly verification_uri: string
  readonly verification_uri_complete?: string | undefined
  /** Seconds. */
  readonly expires_in: number
  /** Seconds between polls. */
  readonly interval: number
}

/** A flow that waits for the person. */
export interface DeviceStartedReply {
  readonly status: 'accepted'
  readonly oidc_device: DeviceAuthorization
}

/** A login that waits for the person's browser to be sent back (RFC 6749 §4.1). */
export interface BrowserStartedReply {
  readonly status: 'accepted'
  /** Where the browser is to go. */
  readonly uri: string
  /** Names the login in `state_lookup`. */
  readonly state: string
}

/** A login by browser that has not ended, or whose account somebody has fetched. */
export interface NothingToFetchReply {
  readonly status: 'NotFound' | 'FoundButReceived'
  readonly info: string
}

export interface RegisterReply {
  readonly status: 'success'
  /** The provider's registration response, as it came. */
  readonly client: JsonObject
  /** All scopes the provider says it supports. */
  readonly max_scopes: SpaceSeparated
}

export interface FileReadReply {
  readonly status: 'success'
  readonly data: string
}

export interface JwksReply {
  readonly status: 'success'
  /** A JWK set (RFC 7517 §5), as it came. */
  readonly jwks: JsonObject
}

/** What each request is answered with when it succeeds. */
export interface Replies {
  readonly access_token: AccessTokenReply
  readonly id_token: IdTokenReply
  readonly loaded_accounts: LoadedAccountsReply
  readonly account_info: AccountInfoReply
  readonly check: PlainReply
  readonly status: StatusReply
  readonly status_json: StatusJsonReply
  readonly add: PlainReply
  readonly gen: ConfigReply | DeviceStartedReply | BrowserStartedReply | AccessTokenReply
  readonly device: ConfigReply | AccessTokenReply
  readonly code_exchange: ConfigReply | AccessTokenReply
  readonly state_lookup: ConfigReply | AccessTokenReply | NothingToFetchReply
  readonly term_http_server: PlainReply
  readonly register: RegisterReply
  readonly scopes: ScopesReply
  readonly remove: PlainReply
  readonly remove_all: PlainReply
  readonly lock: PlainReply
  readonly unlock: PlainReply
  readonly delete: PlainReply
  readonly delete_client: PlainReply
  readonly file_write: PlainReply
  readonly file_read: FileReadReply
  readonly file_remove: PlainReply
  readonly token_file: TokenFileReply
  readonly token_file_stop: PlainReply
  readonly jwks: JwksReply
}

export type SuccessReply = Replies[RequestType]

/** Clients decide by the presence of `error`, not by `status`. */
export interface FailureReply {
  readonly status: 'failure'
  readonly error: string
  /** Help for the person: what to do next. */
  readonly info?: string | undefined
  /** Ours: the {@link import('./errors.ts').ErrorCode}. */
  readonly code?: string | undefined
}

export type Reply = SuccessReply | FailureReply
