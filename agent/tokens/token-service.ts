import { AgentError, systemReason } from '../../protocol/wire/errors.ts'
import type { AccessTokenReply, UnixSeconds } from '../../protocol/wire/messages.ts'
import type { ClientConfigs } from '../accounts/client-config.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import { type CachedToken, Renewals } from '../accounts/token-cache.ts'
import { raceAbort, SingleFlight } from '../concurrency.ts'
import type { Log } from '../log.ts'
import type { OpenIdProvider, TokenResponse } from '../oauth/provider.ts'
import type { Runtime } from '../runtime.ts'
import { clockWarning, compareGrant, joinedLines } from './granted-scope.ts'
import type { Refresher } from './refresher.ts'
import { type RequestedToken, withAccountDefaults } from './requested-token.ts'

/** A token as it is handed out. */
export interface IssuedToken {
  readonly accessToken: string
  readonly issuer: string
  /** 0 = unknown. */
  readonly expiresAt: UnixSeconds
  readonly scope: string | undefined
  readonly idToken: string | undefined
  /** How it is not what was asked, a line each. */
  readonly differences: string | undefined
  /** What else the person should know, a line each. */
  readonly notes: string | undefined
}

/** Provider work goes on when its caller has gone: others may wait for it, and a rotated token must land. */
const REFRESH_DEADLINE_MS = 20_000

/**
 * Hands out access tokens: from memory where one is good enough, else by one refresh per account,
 * scope set and audience set, however many ask for it.
 */
export class TokenService {
  readonly #refresher: Refresher
  readonly #provider: OpenIdProvider
  readonly #clientConfigs: ClientConfigs
  readonly #runtime: Runtime
  readonly #log: Log
  readonly #flights = new SingleFlight<IssuedToken>()
  readonly #renewals: Renewals
  // One generation per LoadedAccount object, so that keys of a reloaded account never meet the old ones.
  readonly #generations = new WeakMap<LoadedAccount, number>()
  #nextGeneration = 0
  readonly #renewalKeys = new WeakMap<LoadedAccount, Set<string>>()

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
    this.#renewals = new Renewals(parts.runtime)
  }

  /**
   * A token for `wish` with at least `minValidSeconds` left, where the provider gives such. −1 or
   * lower always asks the provider. An aborted `signal` ends this wait only, not the refresh.
   * @throws AgentError as the refresh fails.
   */
  async accessToken(
    loaded: LoadedAccount,
    requested: RequestedToken,
    minValidSeconds: number,
    signal: AbortSignal,
  ): Promise<IssuedToken> {
    if (minValidSeconds >= 0) {
      const found = loaded.tokens.find(requested.key, minValidSeconds, this.#now())
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

  /** A new ID token; never cached, as an ID token answers one login question. */
  async idToken(
    loaded: LoadedAccount,
    requested: RequestedToken,
    signal: AbortSignal,
  ): Promise<IssuedToken> {
    return this.#refreshOnce(loaded, requested, signal)
  }

  /** Takes a token that came another way than by refresh, as from the device flow. */
  async keep(
    loaded: LoadedAccount,
    requested: RequestedToken,
    response: TokenResponse,
  ): Promise<IssuedToken> {
    return this.#store(loaded, requested, response, await this.#issuer(loaded))
  }

  /** Ends the renewals of an account that is no longer loaded. */
  forget(loaded: LoadedAccount): void {
    for (const key of this.#renewalKeys.get(loaded) ?? []) this.#renewals.cancel(key)
    this.#renewalKeys.delete(loaded)
  }

  /** Settles when no refresh is under way: what rotates then is in its file. */
  async settled(): Promise<void> {
    await this.#flights.settled()
  }

  close(): void {
    this.#renewals.cancelAll()
  }

  async #refreshOnce(
    loaded: LoadedAccount,
    requested: RequestedToken,
    signal: AbortSignal,
  ): Promise<IssuedToken> {
    const flight = this.#flights.run(this.#key(loaded, requested), () =>
      this.#refresh(loaded, requested),
    )
    return raceAbort(flight, signal)
  }

  async #refresh(loaded: LoadedAccount, requested: RequestedToken): Promise<IssuedToken> {
    const deadline = AbortSignal.timeout(REFRESH_DEADLINE_MS)
    try {
      const issuer = await this.#issuer(loaded, deadline)
      const response = await this.#refresher.refresh(loaded, requested, deadline)
      return this.#store(loaded, requested, response, issuer)
    } catch (error) {
      throw deadline.aborted && isCancelled(error) ? tookTooLong(loaded, error) : error
    }
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
    // Of unknown expiry: handed out once, never again.
    if (response.expiresAt === undefined) return issued
    const token: CachedToken = {
      accessToken: response.accessToken,
      expiresAt: response.expiresAt,
      obtainedAt: this.#now(),
      scope: response.scope,
      differences,
      used: false,
      askedSeconds: loaded.tokens.peek(requested.key)?.askedSeconds ?? 0,
    }
    loaded.tokens.store(requested.key, token)
    this.#renewAhead(loaded, requested, token)
    return issued
  }

  #renewAhead(loaded: LoadedAccount, requested: RequestedToken, token: CachedToken): void {
    const key = this.#key(loaded, requested)
    const keys = this.#renewalKeys.get(loaded) ?? new Set()
    this.#renewalKeys.set(loaded, keys.add(key))
    this.#renewals.schedule(key, token, () => {
      keys.delete(key)
      // Removed, locked or evicted meanwhile: nobody will ask for it.
      if (loaded.tokens.peek(requested.key) !== token) return
      this.#log.debug(`renewing a token of ${loaded.name} ahead of its expiry`)
      this.#refreshOnce(loaded, requested, AbortSignal.timeout(REFRESH_DEADLINE_MS)).catch(
        (error: unknown) => {
          const reason = systemReason(error)
          this.#log.warn(`could not renew a token of ${loaded.name} ahead of its expiry: ${reason}`)
        },
      )
    })
  }

  #issued(loaded: LoadedAccount, token: CachedToken, extra: string | undefined): IssuedToken {
    return {
      accessToken: token.accessToken,
      issuer: loaded.publishedIssuer ?? loaded.account.issuer,
      expiresAt: token.expiresAt,
      scope: token.scope,
      idToken: undefined,
      differences: joinedLines(token.differences, extra),
      notes: unsavedInfo(loaded),
    }
  }

  async #issuer(loaded: LoadedAccount, signal?: AbortSignal): Promise<string> {
    if (loaded.publishedIssuer !== undefined) return loaded.publishedIssuer
    const deadline = signal ?? AbortSignal.timeout(REFRESH_DEADLINE_MS)
    const provider = await this.#clientConfigs.providerOf(loaded.account)
    const metadata = await this.#provider.discover(provider, deadline)
    loaded.publishedIssuer = metadata.issuer
    return metadata.issuer
  }

  #key(loaded: LoadedAccount, requested: RequestedToken): string {
    let generation = this.#generations.get(loaded)
    if (generation === undefined) {
      generation = this.#nextGeneration
      this.#nextGeneration += 1
      this.#generations.set(loaded, generation)
    }
    return `${generation} ${requested.key}`
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

/** The provider layer's own deadline is shorter; this one has time in it that others were waited for. */
function tookTooLong({ account, name }: LoadedAccount, cause: unknown): AgentError {
  const seconds = REFRESH_DEADLINE_MS / 1000
  const message = `${account.issuer} gave no token for ${name} within ${seconds} s`
  return new AgentError('provider-timeout', message, { cause })
}

function unsavedInfo({ name, saved }: LoadedAccount): string | undefined {
  if (saved.state === 'saved') return undefined
  return `the new refresh token of ${name} is only in the agent's memory: ${saved.reason}`
}

/** The wire form of a token. */
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
