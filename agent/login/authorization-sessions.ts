import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type {
  AccessTokenReply,
  ConfigReply,
  NothingToFetchReply,
} from '../../protocol/wire/messages.ts'
import { providerText } from '../../protocol/wire/text.ts'
import type { Runtime } from '../concurrency.ts'
import { type LocalRedirect, type RedirectHandler, RedirectServers } from './redirect-server.ts'
import { type LoginName, type ResultPage, resultPage } from './result-page.ts'

/** Time for a login at the provider. An authorization code lives at most ten minutes (RFC 6749 §4.1.2). */
const LIFETIME_MS = 600_000
/** How much longer an expired login is kept: a late browser gets a page that explains it. */
const LINGER_MS = 300_000
/** Sessions kept, at most; the oldest is dropped. A sanity bound. */
const MAX_SESSIONS = 100

export type LoginReply = ConfigReply | AccessTokenReply

/** The parameters of an authorization response (RFC 6749 §4.1.2, RFC 9207 §2). */
export interface AuthorizationResponse {
  readonly code: string
  readonly issuerParameter: string | undefined
  /** Whether another program passed the response on: the C oidc-gen leaves `iss` out. */
  readonly isPassedOn: boolean
}

/** A login that waits for its authorization response. */
export interface AuthorizationSession {
  readonly name: LoginName
  readonly onlyAccessToken: boolean
  /** The redirect URI that the agent serves; undefined if another program receives the response. */
  readonly redirect: LocalRedirect | undefined
  /** Exchanges the code for tokens and loads the account. */
  readonly exchange: (response: AuthorizationResponse, signal: AbortSignal) => Promise<LoginReply>
}

type Progress =
  | { readonly state: 'waiting' }
  | { readonly state: 'exchanging'; readonly outcome: Promise<LoginReply> }
  /** `reply` is kept until a client has fetched it. */
  | { readonly state: 'succeeded'; readonly reply: LoginReply | undefined }
  | { readonly state: 'failed'; readonly error: AgentError }

interface Entry {
  readonly session: AuthorizationSession
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  readonly removal: NodeJS.Timeout
  progress: Progress
  /** Whether a redirect server listens on its port for it. */
  holdsPort: boolean
}

export interface AuthorizationSessionsParts {
  readonly runtime: Runtime
  /** A locked agent accepts no new account. */
  readonly isLocked: () => boolean
  readonly lifetimeMs?: number
  readonly lingerMs?: number
}

/**
 * The authorization code logins of this agent, by `state` (RFC 6749 §4.1.1). A session takes one
 * authorization response, from the redirect server or over the socket.
 */
export class AuthorizationSessions {
  readonly #parts: AuthorizationSessionsParts
  readonly #entries = new Map<string, Entry>()
  readonly #closing = new AbortController()
  readonly #servers = new RedirectServers((port) => this.#handlerFor(port))

  constructor(parts: AuthorizationSessionsParts) {
    this.#parts = parts
  }

  /** Whether a redirect server listens on `port` now; call {@link add} or {@link release} next. */
  take(port: number): Promise<boolean> {
    return this.#servers.take(port)
  }

  release(port: number): Promise<void> {
    return this.#servers.release(port)
  }

  /** Adds a session that waits. The port of its redirect URI must have been taken. */
  add(state: string, session: AuthorizationSession): void {
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined && this.#entries.size >= MAX_SESSIONS) this.end(oldest)
    const { runtime, lifetimeMs = LIFETIME_MS, lingerMs = LINGER_MS } = this.#parts
    this.#entries.set(state, {
      session,
      expiresAt: runtime.now() + lifetimeMs,
      removal: setTimeout(() => this.end(state), lifetimeMs + lingerMs).unref(),
      progress: { state: 'waiting' },
      holdsPort: session.redirect !== undefined,
    })
  }

  /** Removes a session, whatever its progress. */
  end(state: string): void {
    const entry = this.#entries.get(state)
    if (entry === undefined) return
    this.#entries.delete(state)
    clearTimeout(entry.removal)
    this.#releasePort(entry)
  }

  /**
   * Exchanges the code of a response that came over the socket. `callerSaves`: the caller saves the
   * account, so {@link fetch} does not return it again.
   * @throws AgentError `wrong-state` if no session waits for `state`, or the error of the exchange
   */
  async exchange(
    state: string,
    response: AuthorizationResponse,
    callerSaves: boolean,
  ): Promise<LoginReply> {
    const entry = this.#entries.get(state)
    if (entry?.progress.state !== 'waiting') throw noSession()
    if (this.#isExpired(entry)) throw sessionExpired()
    const reply = await this.#exchange(entry, response)
    if (callerSaves) entry.progress = { state: 'succeeded', reply: undefined }
    return reply
  }

  /**
   * Ends a session with an authorization error response (RFC 6749 §4.1.2.1) that came over the socket.
   * @returns the error of the session
   * @throws AgentError `wrong-state` if no session waits for `state`
   */
  refuse(state: string, reason: string): AgentError {
    const entry = this.#entries.get(state)
    if (entry?.progress.state !== 'waiting') throw noSession()
    return this.#fail(entry, accessDenied(reason))
  }

  /**
   * The result of a session, or why there is none yet. An account is returned once.
   * @throws AgentError with which the session failed
   */
  fetch(state: string): LoginReply | NothingToFetchReply {
    const entry = this.#entries.get(state)
    if (entry === undefined) return notFound(state)
    const { progress } = entry
    switch (progress.state) {
      case 'waiting':
        if (this.#isExpired(entry)) throw sessionExpired()
        return notFound(state)
      case 'exchanging':
        return notFound(state)
      case 'failed':
        throw progress.error
      case 'succeeded':
        entry.progress = { state: 'succeeded', reply: undefined }
        return progress.reply ?? alreadyFetched
    }
  }

  /** Ends all sessions, their exchanges and the redirect servers. */
  async close(): Promise<void> {
    this.#closing.abort(new AgentError('agent-unreachable', 'the agent is shutting down'))
    for (const { removal } of this.#entries.values()) clearTimeout(removal)
    this.#entries.clear()
    await this.#servers.close()
  }

  #handlerFor(port: number): RedirectHandler {
    return async (path, query) => {
      const candidates = [...this.#entries.values()].filter(
        ({ session }) => session.redirect?.port === port && session.redirect.path === path,
      )
      if (candidates.length === 0) return undefined
      const entry = this.#entries.get(query.get('state') ?? '')
      if (entry === undefined || !candidates.includes(entry)) return resultPage({ kind: 'unknown' })
      return this.#pageFor(entry, query)
    }
  }

  async #pageFor(entry: Entry, query: URLSearchParams): Promise<ResultPage> {
    const { session, progress } = entry
    const { name, onlyAccessToken } = session
    if (progress.state === 'waiting') {
      if (this.#isExpired(entry)) return resultPage({ kind: 'expired', login: name })
      if (this.#parts.isLocked()) return resultPage({ kind: 'locked', login: name })
      const reason = errorIn(query)
      if (reason !== undefined) {
        this.#fail(entry, accessDenied(reason))
        return resultPage({ kind: 'denied', login: name, reason })
      }
    }
    const code = query.get('code') ?? ''
    if (code === '') return resultPage({ kind: 'unknown' })
    const issuerParameter = query.get('iss') ?? undefined
    try {
      await this.#outcomeOf(entry, { code, issuerParameter, isPassedOn: false })
      return resultPage({ kind: 'success', login: name, onlyAccessToken })
    } catch (error) {
      if (!(error instanceof AgentError)) throw error
      return resultPage({ kind: 'failed', login: name, reason: error.message })
    }
  }

  /** Exchanges the code once: a page that is reloaded shows the outcome of the first time. */
  async #outcomeOf(entry: Entry, response: AuthorizationResponse): Promise<void> {
    const { progress } = entry
    switch (progress.state) {
      case 'waiting':
        await this.#exchange(entry, response)
        return
      case 'exchanging':
        await progress.outcome
        return
      case 'failed':
        throw progress.error
      case 'succeeded':
    }
  }

  async #exchange(entry: Entry, response: AuthorizationResponse): Promise<LoginReply> {
    const outcome = entry.session.exchange(response, this.#closing.signal)
    entry.progress = { state: 'exchanging', outcome }
    try {
      const reply = await outcome
      entry.progress = { state: 'succeeded', reply }
      this.#releasePort(entry)
      return reply
    } catch (error) {
      throw this.#fail(entry, exchangeError(error))
    }
  }

  #fail(entry: Entry, error: AgentError): AgentError {
    entry.progress = { state: 'failed', error }
    this.#releasePort(entry)
    return error
  }

  #releasePort(entry: Entry): void {
    const { redirect } = entry.session
    if (redirect === undefined || !entry.holdsPort) return
    entry.holdsPort = false
    // Not awaited: the server closes only after the page of this very login has been sent.
    void this.#servers.release(redirect.port)
  }

  #isExpired({ expiresAt }: Entry): boolean {
    return expiresAt <= this.#parts.runtime.now()
  }
}

/**
 * The error of an authorization error response (RFC 6749 §4.1.2.1) as `<error>: <description>`,
 * sanitized; undefined if `query` is not an error response.
 */
export function errorIn(query: URLSearchParams): string | undefined {
  const error = query.get('error') ?? ''
  if (error === '') return undefined
  const description = query.get('error_description') ?? ''
  return providerText(description === '' ? error : `${error}: ${description}`, [])
}

function exchangeError(error: unknown): AgentError {
  if (error instanceof AgentError) return error
  return new AgentError('internal', 'internal error of the agent finishing a login', {
    cause: error,
  })
}

const alreadyFetched: NothingToFetchReply = {
  status: 'FoundButReceived',
  info: 'Account config already retrieved',
}

function notFound(state: string): NothingToFetchReply {
  return { status: 'NotFound', info: `No loaded account info found for state=${state}` }
}

function noSession(): AgentError {
  return peerError('wrong-state', {
    hint: 'This agent has no pending login for this address: the address was used before, or it belongs to another agent. Run oidc-gen again to start a new login.',
  })
}

function accessDenied(reason: string): AgentError {
  return new AgentError('provider-error', reason, {
    hint: 'The provider did not grant access. To try again, run oidc-gen again.',
  })
}

function sessionExpired(): AgentError {
  return new AgentError('provider-error', 'The login has expired: it was not finished in time.', {
    hint: 'Run oidc-gen again to start a new login.',
  })
}
