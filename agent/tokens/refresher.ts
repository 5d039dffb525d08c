import type { Account } from '../../protocol/storage/account.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import type { AccountWriter } from '../accounts/account-writer.ts'
import type { ClientConfigs } from '../accounts/client-config.ts'
import type { LoadedAccount } from '../accounts/loaded-account.ts'
import { KeyedMutex } from '../concurrency.ts'
import type { OpenIdProvider, TokenResponse } from '../oauth/provider.ts'
import type { ReadSubjectToken } from '../oauth/subject-token.ts'
import { hintFor, withHint } from '../providers/error-table.ts'
import { type RequestedToken, withAccountDefaults } from './requested-token.ts'

/**
 * Refreshes at one issuer at a time. A submit node asks for some fifty audiences at once, and waits
 * for as many rounds as this makes of them; a provider that finds it too many says 429, and is asked
 * again when it wants to be.
 */
export const PARALLEL_REFRESHES_PER_ISSUER = 64

/**
 * Asks providers for new access tokens by refresh token, and never loses a new refresh token: it is
 * adopted and sealed into the account file before anyone sees the access token that came with it.
 */
export class Refresher {
  readonly #provider: OpenIdProvider
  readonly #clientConfigs: ClientConfigs
  readonly #writer: AccountWriter
  readonly #readSubjectToken: ReadSubjectToken
  readonly #ofIssuer = new KeyedMutex(PARALLEL_REFRESHES_PER_ISSUER)
  readonly #ofAccount = new KeyedMutex(1)

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
   * One new token for `wish`, by the account's grant. Accounts of a provider that rotates refresh
   * tokens, or may, go one refresh at a time; others in parallel.
   * @throws AgentError as the provider refuses, with a hint that names the account
   */
  async refresh(
    loaded: LoadedAccount,
    requested: RequestedToken,
    signal: AbortSignal,
  ): Promise<TokenResponse> {
    const { issuer, grant } = loaded.account
    if (grant !== 'refresh_token') {
      return this.#ofIssuer.run(issuer, () => this.#repeatGrant(loaded, requested, signal))
    }
    const one = (): Promise<TokenResponse> =>
      this.#ofIssuer.run(issuer, () => this.#refreshOrRecover(loaded, requested, signal))
    if (loaded.rotation !== 'keeps') {
      const response = await this.#ofAccount.run(loaded.name, async () =>
        // Learned while waiting for the turn: give it back, so that all who wait go in parallel.
        loaded.rotation === 'keeps' ? undefined : one(),
      )
      if (response !== undefined) return response
    }
    return one()
  }

  /** Robots and CI jobs have no refresh token: what gave them the first token gives the next. */
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
      if (!isDead(error)) throw withHint(error, loaded.account)
      if (!(await this.#findNewer(loaded, sent))) {
        loaded.loginExpired = true
        throw withHint(error, loaded.account)
      }
    }
    try {
      return await this.#ask(loaded, refreshTokenOf(loaded), requested, signal)
    } catch (error) {
      if (isDead(error)) loaded.loginExpired = true
      throw withHint(error, loaded.account)
    }
  }

  async #ask(
    loaded: LoadedAccount,
    refreshToken: Secret,
    requested: RequestedToken,
    signal: AbortSignal,
  ): Promise<TokenResponse> {
    const response = await this.#provider.refreshTokenGrant(
      await this.#clientConfigs.clientOf(loaded.account),
      {
        refreshToken,
        // Nothing asked: the scopes originally granted (RFC 6749 §6), whatever they were; sending
        // the list is what makes some providers refuse (#578 of oidc-agent).
        scope: listOf(requested.scopes),
        audience: listOf(requested.audiences),
      },
      signal,
    )
    loaded.loginExpired = false
    // In memory only: where each answer moves the end, a write for each would be too much.
    if (response.refreshTokenExpiresAt !== undefined) {
      loaded.change({ refreshTokenExpiresAt: response.refreshTokenExpiresAt })
    }
    await this.#adopt(loaded, refreshToken, response.refreshToken)
    return response
  }

  async #adopt(loaded: LoadedAccount, sent: Secret, received: Secret | undefined): Promise<void> {
    if (received === undefined || received.reveal() === sent.reveal()) {
      if (loaded.rotation === 'unknown') loaded.rotation = 'keeps'
      // An earlier save may have failed for a reason that is gone by now.
      if (loaded.saved.state === 'unsaved') await this.#writer.save(loaded)
      return
    }
    loaded.rotation = 'rotates'
    loaded.change({ refreshToken: received })
    await this.#writer.save(loaded)
  }

  /**
   * Whether there is another refresh token to try than the one that was refused: one that a
   * parallel refresh has brought, or one that another agent has written into the file.
   */
  async #findNewer(loaded: LoadedAccount, refused: Secret): Promise<boolean> {
    if (loaded.account.refreshToken?.reveal() !== refused.reveal()) return true
    const onDisk = await this.#writer.changedOnDisk(loaded)
    if (onDisk === undefined) return false
    loaded.replace(onDisk)
    return true
  }
}

function refreshTokenOf(loaded: LoadedAccount): Secret {
  const { refreshToken } = loaded.account
  if (refreshToken !== undefined) return refreshToken
  throw peerError('no-refresh-token', { hint: hintFor('refresh-token-dead', loaded.name) })
}

function isDead(error: unknown): boolean {
  return error instanceof AgentError && error.code === 'refresh-token-dead'
}

/** What a grant that needs no person is asked with. */
export interface GrantParts {
  readonly provider: OpenIdProvider
  readonly clientConfigs: ClientConfigs
  readonly readSubjectToken: ReadSubjectToken
}

/**
 * A token by a grant that needs no person: `client_credentials` or `token-exchange`. Without wished
 * scopes the account's own are asked for, as there is no earlier grant to repeat.
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
      throw new AgentError('internal', `the account ${account.name} is refreshed, not granted anew`)
  }
}

/** A list as the wire has it; undefined where it is empty. */
function listOf(list: readonly string[]): string | undefined {
  return list.length === 0 ? undefined : list.join(' ')
}
