import { AgentError, peerError, systemReason } from '../../protocol/wire/errors.ts'
import type { AccessTokenReply, UnixSeconds } from '../../protocol/wire/messages.ts'
import type { ClientConfigs } from '../accounts/client-config.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import {
  type CachedToken,
  type IssuedToken,
  SHORTEST_USEFUL_SECONDS,
} from '../accounts/token-cache.ts'
import {
  momentOf,
  RunningWork,
  type Runtime,
  raceAbort,
  startDeadline,
  steadyNow,
} from '../concurrency.ts'
import { NoFileAnswer } from '../file-answers.ts'
import type { Log } from '../log.ts'
import type { OpenIdProvider, TokenResponse } from '../oauth/provider.ts'
import {
  clockWarning,
  compareGrant,
  joinedLines,
  type RequestedToken,
  withAccountDefaults,
} from './granted-scope.ts'
import type { Refresher } from './refresher.ts'

/** A refresh goes on when its caller has gone: others may wait for it, and a new refresh token must be saved. */
const REFRESH_DEADLINE_MS = 20_000
/** How long a late response is waited for before the agent ends or is locked. It is adopted later too, if the agent lives. */
const LATE_RESPONSE_WAIT_MS = 20_000

/**
 * Hands out access tokens: from memory if one is good enough, else by one refresh for each account,
 * scope set and audience set, however many callers request it.
 */
export class TokenService {
  readonly #refresher: Refresher
  readonly #provider: OpenIdProvider
  readonly #clientConfigs: ClientConfigs
  readonly #runtime: Runtime
  readonly #log: Log
  readonly #refreshes = new RunningWork()

  constructor(parts: {
    readonly refresher: Refresher
    readonly provider: OpenIdProvider
    readonly clientConfigs: ClientConfigs
    readonly runtime: Runtime
    readonly log: Log
  }) {
    this.#refresher = parts.refresher
    this.#provider = parts.provider
    this.#clientConfigs = parts.clientConfigs
    this.#runtime = parts.runtime
    this.#log = parts.log
  }

  /**
   * A token for `requested` with at least `minValidSeconds` left, if the provider's tokens live that
   * long. −1 or lower always refreshes. An aborted `signal` ends this wait only, not the refresh.
   * @throws AgentError of the refresh, or `account-not-loaded` if the account was removed or locked
   */
  async accessToken(
    loaded: LoadedAccount,
    requested: RequestedToken,
    minValidSeconds: number,
    signal: AbortSignal,
  ): Promise<IssuedToken> {
    if (minValidSeconds >= 0) {
      const now = steadyNow(this.#runtime, loaded.tokens.peek(requested.key)?.since)
      const found = loaded.tokens.find(requested.key, minValidSeconds, now)
      if (found.kind === 'fresh') return this.#issued(loaded, found.token, undefined)
      if (found.kind === 'best') {
        return this.#issued(loaded, found.token, tooShort(found.token, minValidSeconds))
      }
    }
    const token = await this.#refreshOnce(loaded, requested, signal)
    const lifetime = token.expiresAt - this.#now()
    if (token.expiresAt === 0 || lifetime >= minValidSeconds) return token
    const short = shortLife(lifetime, minValidSeconds)
    return { ...token, differences: joinedLines(token.differences, short) }
  }

  /** A new ID token; never cached, as an ID token is about one authentication. @throws as {@link accessToken} */
  async idToken(
    loaded: LoadedAccount,
    requested: RequestedToken,
    signal: AbortSignal,
  ): Promise<IssuedToken> {
    // Not the flight of an access token, which may end with a token from memory.
    return this.#refreshOnce(loaded, requested, signal, 'id')
  }

  /** Takes a token that came with a login, not by refresh. @throws AgentError of the discovery */
  async keep(
    loaded: LoadedAccount,
    requested: RequestedToken,
    response: TokenResponse,
  ): Promise<IssuedToken> {
    return this.#store(loaded, requested, response, await this.#issuer(loaded))
  }

  /**
   * Resolves when no refresh is under way: a refresh token that rotated is in its file then. Late responses
   * are waited for 20 s at most.
   */
  async settled(): Promise<void> {
    await this.#refreshes.settled()
    const end = startDeadline(LATE_RESPONSE_WAIT_MS, new AbortController().signal)
    await raceAbort(this.#refresher.settled(), end.signal).catch(() => undefined)
    end.end()
  }

  /** To be called when the agent ends: no refresh token is sent from now on. */
  close(): void {
    this.#refresher.close()
  }

  /** Resolves when no provider's response is awaited any more; {@link settled} when what came is saved. */
  async answered(): Promise<void> {
    await this.#refresher.answered()
  }

  /** The accounts for which a response is awaited. */
  awaited(): readonly string[] {
    return this.#refresher.awaited()
  }

  async #refreshOnce(
    loaded: LoadedAccount,
    requested: RequestedToken,
    signal: AbortSignal,
    kind: 'access' | 'id' = 'access',
  ): Promise<IssuedToken> {
    // Its refresh token may be sealed by now: it must not rotate any more.
    if (loaded.isDisposed) throw peerError('account-not-loaded')
    const flight = loaded.flights.run(`${kind} ${requested.key}`, () => {
      const refresh = this.#refresh(loaded, requested, kind)
      this.#refreshes.track(refresh)
      return refresh
    })
    return raceAbort(flight, signal)
  }

  async #refresh(
    loaded: LoadedAccount,
    requested: RequestedToken,
    kind: 'access' | 'id',
  ): Promise<IssuedToken> {
    const deadline = AbortSignal.timeout(REFRESH_DEADLINE_MS)
    const living = kind === 'access' ? this.#living(loaded, requested) : undefined
    try {
      const issuer = await this.#issuer(loaded, deadline)
      const options = { canWait: living !== undefined }
      const response = await this.#refresher.refresh(loaded, requested, deadline, options)
      return this.#store(loaded, requested, response, issuer)
    } catch (error) {
      if (living !== undefined && isNotSent(error)) {
        return this.#issued(loaded, living, undefined, error.message)
      }
      throw deadline.aborted && isCancelled(error) ? tookTooLong(loaded, error) : error
    }
  }

  /** The token in memory, whatever life was asked for, if it lives long enough to be used. */
  #living(loaded: LoadedAccount, requested: RequestedToken): CachedToken | undefined {
    const token = loaded.tokens.peek(requested.key)
    const left = (token?.expiresAt ?? 0) - steadyNow(this.#runtime, token?.since)
    return left > SHORTEST_USEFUL_SECONDS ? token : undefined
  }

  #store(
    loaded: LoadedAccount,
    requested: RequestedToken,
    response: TokenResponse,
    issuer: string,
  ): IssuedToken {
    const { account } = loaded
    const asked =
      account.grant === 'refresh_token' ? requested : withAccountDefaults(account, requested)
    const differences = compareGrant(asked, response)
    const issued: IssuedToken = {
      accessToken: response.accessToken,
      issuer,
      expiresAt: response.expiresAt ?? 0,
      scope: response.scope,
      idToken: response.idToken,
      differences,
      notes: joinedLines(clockWarning(response), unsavedInfo(loaded)),
    }
    // A token of unknown expiry is handed out once, and not cached.
    if (response.expiresAt === undefined) return issued
    const token: CachedToken = {
      accessToken: response.accessToken,
      expiresAt: response.expiresAt,
      obtainedAt: this.#now(),
      since: momentOf(this.#runtime),
      scope: response.scope,
      differences,
      used: false,
      askedSeconds: loaded.tokens.peek(requested.key)?.askedSeconds ?? 0,
    }
    const renew = (): void => this.#renew(loaded, requested)
    loaded.tokens.store(requested.key, token, { runtime: this.#runtime, renew })
    return issued
  }

  #renew(loaded: LoadedAccount, requested: RequestedToken): void {
    this.#log.debug(`renewing a token of ${loaded.name} ahead of its expiry`)
    this.#refreshOnce(loaded, requested, AbortSignal.timeout(REFRESH_DEADLINE_MS)).catch(
      (error: unknown) => {
        const reason = systemReason(error)
        this.#log.warn(`could not renew a token of ${loaded.name} ahead of its expiry: ${reason}`)
      },
    )
  }

  #issued(
    loaded: LoadedAccount,
    token: CachedToken,
    extra: string | undefined,
    note?: string,
  ): IssuedToken {
    return {
      accessToken: token.accessToken,
      issuer: loaded.publishedIssuer ?? loaded.account.issuer,
      // By the clock as it is now, which may have been set back since the token was obtained.
      expiresAt:
        token.expiresAt - (steadyNow(this.#runtime, token.since) - momentOf(this.#runtime).now),
      scope: token.scope,
      idToken: undefined,
      differences: joinedLines(token.differences, extra),
      notes: joinedLines(note, unsavedInfo(loaded)),
    }
  }

  async #issuer(loaded: LoadedAccount, signal?: AbortSignal): Promise<string> {
    if (loaded.publishedIssuer !== undefined) return loaded.publishedIssuer
    const deadline = signal ?? AbortSignal.timeout(REFRESH_DEADLINE_MS)
    const provider = await this.#clientConfigs.providerOf(loaded.account)
    const metadata = await this.#provider.discover(provider, deadline)
    loaded.issuerPublished(metadata.issuer)
    return metadata.issuer
  }

  #now(): UnixSeconds {
    return this.#runtime.now() / 1000
  }
}

function tooShort(token: CachedToken, minValidSeconds: number): string | undefined {
  const lifetime = token.expiresAt - token.obtainedAt
  return minValidSeconds > lifetime ? shortLife(lifetime, minValidSeconds) : undefined
}

function shortLife(lifetime: number, minValidSeconds: number): string {
  return `the provider's tokens live ${Math.round(lifetime)} s, less than the ${minValidSeconds} s asked for`
}

function isCancelled(error: unknown): boolean {
  return error instanceof AgentError && error.code === 'cancelled'
}

/** The account's file was in the way, not the provider. */
function isNotSent(error: unknown): error is AgentError {
  if (error instanceof NoFileAnswer) return true
  return error instanceof AgentError && error.code === 'file-unwritable'
}

/** The deadline of one HTTP request is shorter; this one includes the wait for other refreshes. */
function tookTooLong({ account, name }: LoadedAccount, cause: unknown): AgentError {
  const seconds = REFRESH_DEADLINE_MS / 1000
  const message = `${account.issuer} gave no token for ${name} within ${seconds} s`
  return new AgentError('provider-timeout', message, { cause })
}

function unsavedInfo({ name, saved }: LoadedAccount): string | undefined {
  if (saved.state !== 'unsaved') return undefined
  return `the new refresh token of ${name} is only in the agent's memory: ${saved.reason}`
}

/** The reply that hands out a token (protocol.md §2.4). */
export function tokenReply(token: IssuedToken, loaded: LoadedAccount): AccessTokenReply {
  return {
    status: 'success',
    access_token: token.accessToken,
    issuer: token.issuer,
    // Whole seconds, rounded down: never later than the token's own end.
    expires_at: Math.floor(token.expiresAt),
    scope: token.scope,
    info: joinedLines(token.differences, token.notes),
    refresh_token_expires_at: loaded.account.refreshTokenExpiresAt,
    login_expired: loaded.loginExpired || undefined,
  }
}
