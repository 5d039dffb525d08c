import type { Account } from '../../protocol/storage/account.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import type { AccountWriter, FileInUse } from '../accounts/account-writer.ts'
import type { ClientConfigs } from '../accounts/client-config.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import { KeyedMutex, RunningWork, raceAbort } from '../concurrency.ts'
import { cancelled } from '../http/network-error.ts'
import type { OpenIdProvider, RefreshTokenRecovery, TokenResponse } from '../oauth/provider.ts'
import type { ReadSubjectToken } from '../oauth/subject-token.ts'
import { hintFor, withHint } from '../providers/error-table.ts'
import { type RequestedToken, withAccountDefaults } from './granted-scope.ts'

/**
 * Most refreshes at one issuer at a time. A submit node requests tokens for some fifty audiences at
 * once: with a lower limit it waits for several rounds. A provider for which these are too many replies
 * 429, and is asked again after the time it names.
 */
export const PARALLEL_REFRESHES_PER_ISSUER = 64

/**
 * Gets new access tokens from providers, and never loses a new refresh token: it is in memory and
 * sealed into the account file before the access token that came with it is handed out.
 */
export class Refresher {
  readonly #provider: OpenIdProvider
  readonly #clientConfigs: ClientConfigs
  readonly #writer: AccountWriter
  readonly #readSubjectToken: ReadSubjectToken
  readonly #ofIssuer = new KeyedMutex(PARALLEL_REFRESHES_PER_ISSUER)
  readonly #ofAccount = new KeyedMutex(1)
  /** Responses that are awaited although their refresh has failed, by account. */
  readonly #late = new Map<string, Promise<void>>()
  readonly #lateWork = new RunningWork()
  /** Refresh tokens that are with their provider now, by account. */
  readonly #sent = new Map<string, number>()
  readonly #exchanges = new RunningWork()
  #closed = false

  constructor(parts: {
    readonly provider: OpenIdProvider
    readonly clientConfigs: ClientConfigs
    readonly writer: AccountWriter
    readonly readSubjectToken: ReadSubjectToken
  }) {
    this.#provider = parts.provider
    this.#clientConfigs = parts.clientConfigs
    this.#writer = parts.writer
    this.#readSubjectToken = parts.readSubjectToken
  }

  /**
   * A new token for `requested`, by the account's grant. If the provider rotates refresh tokens, or may,
   * refreshes of one account run one at a time, and no other agent refreshes it; otherwise in parallel.
   * @param options.canWait the refresh is not sent if a new refresh token could not be saved
   * @throws AgentError of the provider's error response, with a hint that names the account;
   *   `file-unwritable` if the refresh was not sent
   */
  async refresh(
    loaded: LoadedAccount,
    requested: RequestedToken,
    signal: AbortSignal,
    { canWait = false }: { readonly canWait?: boolean } = {},
  ): Promise<TokenResponse> {
    const { issuer, grant } = loaded.account
    if (grant !== 'refresh_token') {
      return this.#ofIssuer.run(issuer, () => this.#repeatGrant(loaded, requested, signal))
    }
    const one = async ({ obstacle, save }: FileInUse): Promise<TokenResponse> => {
      if (canWait && obstacle !== undefined) throw notSent(loaded, obstacle)
      try {
        return await this.#ofIssuer.run(issuer, () =>
          this.#refreshOrRecover(loaded, requested, signal),
        )
      } finally {
        // Also a token that came with an error, or that an earlier save could not write.
        if (loaded.needsSaving) await save()
      }
    }
    if (loaded.rotation !== 'keeps') {
      const response = await this.#ofAccount.run(loaded.name, async () => {
        await this.#lateResponse(loaded.name, signal)
        // Known since this waited for its turn: give the turn back, so that all run in parallel.
        return loaded.rotation === 'keeps' ? undefined : this.#refreshLocked(loaded, signal, one)
      })
      if (response !== undefined) return response
    }
    return one({ obstacle: undefined, save: () => this.#writer.save(loaded) })
  }

  /** Resolves when no late response is awaited any more and its refresh token is saved. */
  async settled(): Promise<void> {
    await this.#lateWork.settled()
  }

  /** To be called when the agent ends: no refresh token is sent from now on. */
  close(): void {
    this.#closed = true
  }

  /** Resolves when no response is awaited any more, late ones included; some may still have to be saved. */
  async answered(): Promise<void> {
    await this.#exchanges.settled()
  }

  /** The accounts for which a response is awaited. */
  awaited(): readonly string[] {
    return [...new Set([...this.#sent.keys(), ...this.#late.keys()])]
  }

  /** Waits for a late response, which may bring the only valid refresh token. @throws AgentError `cancelled` */
  async #lateResponse(name: string, signal: AbortSignal): Promise<void> {
    const late = this.#late.get(name)
    if (late === undefined) return
    try {
      await raceAbort(late, signal)
    } catch {
      throw cancelled(signal)
    }
  }

  #awaitLate(name: string, end: Promise<void>): void {
    const ended = end.then(() => {
      this.#late.delete(name)
    })
    this.#late.set(name, ended)
    this.#exchanges.track(ended)
  }

  /**
   * Refreshes under the lock of the account's file. If a late response is awaited, the caller gets the result at
   * once; the lock is held until that response has ended: another agent would send the same refresh token.
   */
  #refreshLocked(
    loaded: LoadedAccount,
    signal: AbortSignal,
    refresh: (file: FileInUse) => Promise<TokenResponse>,
  ): Promise<TokenResponse> {
    return new Promise((resolve, reject) => {
      const locked = this.#writer.refreshing(loaded, signal, async (file) => {
        const refreshed = refresh(file)
        await Promise.allSettled([refreshed])
        const late = this.#late.get(loaded.name)
        if (late !== undefined) {
          refreshed.then(resolve, reject)
          await late
          if (loaded.needsSaving) await file.save()
        }
        return refreshed
      })
      this.#lateWork.track(locked.then(resolve, reject))
    })
  }

  /** Robots and CI jobs have no refresh token: the grant of their first token gives the next. */
  async #repeatGrant(
    { account }: LoadedAccount,
    requested: RequestedToken,
    signal: AbortSignal,
  ): Promise<TokenResponse> {
    try {
      const parts = {
        provider: this.#provider,
        clientConfigs: this.#clientConfigs,
        readSubjectToken: this.#readSubjectToken,
      }
      return await tokenByGrant(account, requested, parts, signal)
    } catch (error) {
      throw withHint(error, account)
    }
  }

  async #refreshOrRecover(
    loaded: LoadedAccount,
    requested: RequestedToken,
    signal: AbortSignal,
  ): Promise<TokenResponse> {
    const sent = refreshTokenOf(loaded)
    try {
      return await this.#ask(loaded, sent, requested, signal)
    } catch (error) {
      if (!isDead(error) || !(await this.#findOther(loaded, sent))) {
        throw ended(error, loaded, sent)
      }
    }
    const newer = refreshTokenOf(loaded)
    try {
      return await this.#ask(loaded, newer, requested, signal)
    } catch (error) {
      throw ended(error, loaded, newer)
    }
  }

  /** Whether there is another refresh token to try after the provider refused `refused`. */
  async #findOther(loaded: LoadedAccount, refused: Secret): Promise<boolean> {
    return (await this.#writer.findNewer(loaded, refused)) || loaded.formerTokenRestored(refused)
  }

  async #ask(
    loaded: LoadedAccount,
    refreshToken: Secret,
    requested: RequestedToken,
    signal: AbortSignal,
  ): Promise<TokenResponse> {
    const client = await this.#clientConfigs.clientOf(loaded.account)
    const recovery: RefreshTokenRecovery = {
      recovered: (received) => loaded.refreshTokenRecovered(refreshToken, received),
      late: loaded.rotation === 'keeps' ? undefined : (end) => this.#awaitLate(loaded.name, end),
    }
    // Without a list, the scopes originally granted (RFC 6749 §6), whatever they were; some providers
    // refuse a refresh with the list (#578 of oidc-agent).
    const scope = listOf(requested.scopes)
    const audience = listOf(requested.audiences)
    const grant = { refreshToken, scope, audience, recovery }
    if (this.#closed) throw new AgentError('agent-unreachable', 'the agent is shutting down')
    const exchange = this.#provider.refreshTokenGrant(client, grant, signal)
    this.#exchanges.track(exchange)
    this.#count(loaded.name, 1)
    try {
      const response = await exchange
      loaded.refreshSucceeded(refreshToken, response)
      return response
    } finally {
      this.#count(loaded.name, -1)
    }
  }

  #count(name: string, change: 1 | -1): void {
    const sent = (this.#sent.get(name) ?? 0) + change
    if (sent === 0) this.#sent.delete(name)
    else this.#sent.set(name, sent)
  }
}

/** The old refresh token would be spent, and the new one exist in memory only. */
function notSent({ name }: LoadedAccount, obstacle: string): AgentError {
  return new AgentError(
    'file-unwritable',
    `no new token was requested, as a new refresh token of ${name} could not be saved: ${obstacle}`,
  )
}

/** The error of a refresh with `sent`, with its hint; a dead refresh token has ended the login. */
function ended(error: unknown, loaded: LoadedAccount, sent: Secret): unknown {
  if (isDead(error)) loaded.loginEnded(sent)
  return withHint(error, loaded.account)
}

function refreshTokenOf(loaded: LoadedAccount): Secret {
  const { refreshToken } = loaded.account
  if (refreshToken !== undefined) return refreshToken
  throw peerError('no-refresh-token', { hint: hintFor('refresh-token-dead', loaded.name) })
}

function isDead(error: unknown): boolean {
  return error instanceof AgentError && error.code === 'refresh-token-dead'
}

/** The parts of the agent that a grant without a user takes. */
export interface GrantParts {
  readonly provider: OpenIdProvider
  readonly clientConfigs: ClientConfigs
  readonly readSubjectToken: ReadSubjectToken
}

/**
 * A token by a grant that needs no user: `client_credentials` (RFC 6749 §4.4) or `token-exchange`
 * (RFC 8693). If no scopes are requested, the account's own are: there is no earlier grant to repeat.
 * @throws AgentError `internal` for an account with a refresh token, else of the provider's error response
 */
export async function tokenByGrant(
  account: Account,
  requested: RequestedToken,
  { provider, clientConfigs, readSubjectToken }: GrantParts,
  signal: AbortSignal,
): Promise<TokenResponse> {
  const client = await clientConfigs.clientOf(account)
  const { scopes, audiences } = withAccountDefaults(account, requested)
  const wanted = { scope: listOf(scopes), audience: listOf(audiences) }
  switch (account.grant) {
    case 'client_credentials':
      return provider.clientCredentialsGrant(client, wanted, signal)
    case 'token-exchange': {
      const subjectToken = await readSubjectToken(account, signal)
      const subjectTokenType = account.subjectToken?.type ?? ''
      return provider.tokenExchange(client, { ...wanted, subjectToken, subjectTokenType }, signal)
    }
    case 'refresh_token':
      throw new AgentError(
        'internal',
        `the account ${account.name} has a refresh token: its grant is not repeated`,
      )
  }
}

/** A list as a request parameter has it; undefined if it is empty. */
function listOf(list: readonly string[]): string | undefined {
  return list.length === 0 ? undefined : list.join(' ')
}
