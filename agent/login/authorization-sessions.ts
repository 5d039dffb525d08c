import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type {
  AccessTokenReply,
  ConfigReply,
  NothingToFetchReply,
} from '../../protocol/wire/messages.ts'
import type { Runtime } from '../runtime.ts'
import { type LocalRedirect, type RedirectHandler, RedirectServers } from './redirect-server.ts'
import { type LoginName, type ResultPage, resultPage } from './result-page.ts'

/** How long a person may take at the provider. Their codes live ten minutes at most (RFC 6749 §4.1.2). */
const LIFETIME_MS = 600_000
/** How much longer a browser that comes too late is told so, instead of finding nobody. */
const LINGER_MS = 300_000
/** Logins remembered, at most: the oldest is forgotten. A sanity bound. */
const MAX_LOGINS = 100

export type LoginReply = ConfigReply | AccessTokenReply

/** What a provider's redirect brings (RFC 6749 §4.1.2, RFC 9207 §2). */
export interface AuthorizationResponse {
  readonly code: string
  readonly issuerParameter: string | undefined
  /** Whether another program passed it on: the C oidc-gen then leaves `iss` out. */
  readonly isPassedOn: boolean
}

/** A login that is waiting for its browser. */
export interface AuthorizationSession {
  readonly name: LoginName
  readonly onlyAccessToken: boolean
  /** Where the browser comes back to a server of ours; undefined: another program takes it. */
  readonly redirect: LocalRedirect | undefined
  /** Exchanges the code and loads the account. */
  readonly exchange: (answer: AuthorizationResponse, signal: AbortSignal) => Promise<LoginReply>
}

type Progress =
  | { readonly state: 'waiting' }
  | { readonly state: 'exchanging'; readonly outcome: Promise<LoginReply> }
  /** `reply` is kept until somebody fetches it. */
  | { readonly state: 'succeeded'; readonly reply: LoginReply | undefined }
  | { readonly state: 'failed'; readonly error: AgentError }

interface Entry {
  readonly login: AuthorizationSession
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  readonly forgetting: NodeJS.Timeout
  progress: Progress
  /** Whether its port is in use for it. */
  holdsPort: boolean
}

export interface AuthorizationSessionsParts {
  readonly runtime: Runtime
  /** While the agent is locked no account may come into it. */
  readonly isLocked: () => boolean
  readonly lifetimeMs?: number
  readonly lingerMs?: number
}

/** Logins by browser, by their state. Each takes one code, whichever way it comes. */
export class AuthorizationSessions {
  readonly #parts: AuthorizationSessionsParts
  readonly #logins = new Map<string, Entry>()
  readonly #ending = new AbortController()
  readonly #ports = new RedirectServers((port) => this.#answers(port))

  constructor(parts: AuthorizationSessionsParts) {
    this.#parts = parts
  }

  /** Whether browsers are waited for on `port` from now on; {@link add} or {@link release} comes next. */
  take(port: number): Promise<boolean> {
    return this.#ports.take(port)
  }

  release(port: number): Promise<void> {
    return this.#ports.release(port)
  }

  /** Waits for the browser of `login`, whose port has been taken. */
  add(state: string, login: AuthorizationSession): void {
    const [oldest] = this.#logins.keys()
    if (oldest !== undefined && this.#logins.size >= MAX_LOGINS) this.end(oldest)
    const { runtime, lifetimeMs = LIFETIME_MS, lingerMs = LINGER_MS } = this.#parts
    this.#logins.set(state, {
      login,
      expiresAt: runtime.now() + lifetimeMs,
      forgetting: setTimeout(() => this.end(state), lifetimeMs + lingerMs).unref(),
      progress: { state: 'waiting' },
      holdsPort: login.redirect !== undefined,
    })
  }

  /** Gives up a login, or forgets how it ended. */
  end(state: string): void {
    const entry = this.#logins.get(state)
    if (entry === undefined) return
    this.#logins.delete(state)
    clearTimeout(entry.forgetting)
    this.#close(entry)
  }

  /**
   * Exchanges the code of a redirect that came over the socket. With `keeps`, the asker saves the
   * account and nobody else is given it.
   * @throws AgentError `wrong-state` where no login waits for it, or what the exchange failed with
   */
  async exchange(
    state: string,
    answer: AuthorizationResponse,
    keeps: boolean,
  ): Promise<LoginReply> {
    const entry = this.#logins.get(state)
    if (entry?.progress.state !== 'waiting') throw notWaited()
    if (this.#isExpired(entry)) throw expired()
    const reply = await this.#exchange(entry, answer)
    if (keeps) entry.progress = { state: 'succeeded', reply: undefined }
    return reply
  }

  /**
   * Ends a login with the error a provider redirected with (RFC 6749 §4.1.2.1).
   * @throws AgentError `wrong-state` where no login waits for it
   */
  refuse(state: string, reason: string): AgentError {
    const entry = this.#logins.get(state)
    if (entry?.progress.state !== 'waiting') throw notWaited()
    return this.#fail(entry, refused(reason))
  }

  /**
   * What became of a login; its account is given once.
   * @throws AgentError what it failed with
   */
  fetch(state: string): LoginReply | NothingToFetchReply {
    const entry = this.#logins.get(state)
    if (entry === undefined) return notYet(state)
    const { progress } = entry
    switch (progress.state) {
      case 'waiting':
        if (this.#isExpired(entry)) throw expired()
        return notYet(state)
      case 'exchanging':
        return notYet(state)
      case 'failed':
        throw progress.error
      case 'succeeded':
        entry.progress = { state: 'succeeded', reply: undefined }
        return progress.reply ?? alreadyFetched
    }
  }

  /** Ends all logins and their servers. */
  async close(): Promise<void> {
    this.#ending.abort(new AgentError('agent-unreachable', 'the agent is shutting down'))
    for (const { forgetting } of this.#logins.values()) clearTimeout(forgetting)
    this.#logins.clear()
    await this.#ports.close()
  }

  #answers(port: number): RedirectHandler {
    return async (path, query) => {
      const here = [...this.#logins.values()].filter(
        ({ login }) => login.redirect?.port === port && login.redirect.path === path,
      )
      if (here.length === 0) return undefined
      const entry = this.#logins.get(query.get('state') ?? '')
      if (entry === undefined || !here.includes(entry)) return resultPage({ kind: 'unknown' })
      return this.#pageFor(entry, query)
    }
  }

  async #pageFor(entry: Entry, query: URLSearchParams): Promise<ResultPage> {
    const { login, progress } = entry
    const { name, onlyAccessToken } = login
    if (progress.state === 'waiting') {
      if (this.#isExpired(entry)) return resultPage({ kind: 'expired', login: name })
      if (this.#parts.isLocked()) return resultPage({ kind: 'locked', login: name })
      const reason = errorIn(query)
      if (reason !== undefined) {
        this.#fail(entry, refused(reason))
        return resultPage({ kind: 'denied', login: name, reason })
      }
    }
    const code = query.get('code') ?? ''
    if (code === '') return resultPage({ kind: 'unknown' })
    const issuerParameter = query.get('iss') ?? undefined
    const answer = { code, issuerParameter, isPassedOn: false }
    try {
      await this.#outcomeOf(entry, answer)
      return resultPage({ kind: 'success', login: name, onlyAccessToken })
    } catch (error) {
      if (!(error instanceof AgentError)) throw error
      return resultPage({ kind: 'failed', login: name, reason: error.message })
    }
  }

  /** A page that is reloaded tells how its login ended; the code goes to the provider once. */
  async #outcomeOf(entry: Entry, answer: AuthorizationResponse): Promise<void> {
    const { progress } = entry
    switch (progress.state) {
      case 'waiting':
        await this.#exchange(entry, answer)
        return
      case 'exchanging':
        await progress.outcome
        return
      case 'failed':
        throw progress.error
      case 'succeeded':
    }
  }

  async #exchange(entry: Entry, answer: AuthorizationResponse): Promise<LoginReply> {
    const outcome = entry.login.exchange(answer, this.#ending.signal)
    entry.progress = { state: 'exchanging', outcome }
    try {
      const reply = await outcome
      entry.progress = { state: 'succeeded', reply }
      this.#close(entry)
      return reply
    } catch (error) {
      throw this.#fail(entry, failureOf(error))
    }
  }

  #fail(entry: Entry, error: AgentError): AgentError {
    entry.progress = { state: 'failed', error }
    this.#close(entry)
    return error
  }

  #close(entry: Entry): void {
    const { redirect } = entry.login
    if (redirect === undefined || !entry.holdsPort) return
    entry.holdsPort = false
    // Answers under way still go out: the page that says how it ended is one.
    void this.#ports.release(redirect.port)
  }

  #isExpired({ expiresAt }: Entry): boolean {
    return expiresAt <= this.#parts.runtime.now()
  }
}

/** The error of a redirect as `<error>: <description>`, or undefined where it is none. */
export function errorIn(query: URLSearchParams): string | undefined {
  const error = query.get('error') ?? ''
  if (error === '') return undefined
  const description = query.get('error_description') ?? ''
  return description === '' ? error : `${error}: ${description}`
}

function failureOf(error: unknown): AgentError {
  if (error instanceof AgentError) return error
  return new AgentError('internal', 'internal error of the agent finishing a login', {
    cause: error,
  })
}

const alreadyFetched: NothingToFetchReply = {
  status: 'FoundButReceived',
  info: 'Account config already retrieved',
}

function notYet(state: string): NothingToFetchReply {
  return { status: 'NotFound', info: `No loaded account info found for state=${state}` }
}

function notWaited(): AgentError {
  return peerError('wrong-state', {
    hint: 'No login waits for this address: it was used before, or belongs to another agent. Run oidc-gen again for a new one.',
  })
}

function refused(reason: string): AgentError {
  return new AgentError('provider-error', reason, {
    hint: 'The provider sent the browser back without a login. To try again, run oidc-gen again.',
  })
}

function expired(): AgentError {
  return new AgentError('provider-error', 'The login has expired: nobody finished it in time.', {
    hint: 'Run oidc-gen again for a new one.',
  })
}
