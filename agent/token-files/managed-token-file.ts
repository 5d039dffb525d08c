import { isAlive } from '../../protocol/storage/process-identity.ts'
import { AgentError, systemReason } from '../../protocol/wire/errors.ts'
import type { TokenFileState, UnixSeconds } from '../../protocol/wire/messages.ts'
import { renewalLeadSeconds } from '../accounts/token-cache.ts'
import type { KeyedMutex } from '../concurrency.ts'
import type { Log } from '../log.ts'
import type { Runtime } from '../runtime.ts'
import type { IssuedToken } from '../tokens/token-service.ts'
import type { FileIdentity } from './directory-handle.ts'
import type { TokenFileEntry, TokenFileRecord, TokenFileRegistry } from './registry.ts'
import { removeTokenFile, writeTokenFile } from './token-file.ts'

/** Timers stand still while the machine sleeps: the clock is looked at again at least so often. */
const LONGEST_LOOK_MS = 30_000
/** How soon it is seen that the process a file is for has gone, also one that was killed. */
const OWNER_LOOK_MS = 2_000
const SHORTEST_LOOK_MS = 10

export interface ManagedTokenFileParts {
  readonly runtime: Runtime
  readonly log: Log
  readonly uid: number
  readonly records: TokenFileRegistry
  /** Turns at each path: files of one path, old and new, never write at the same time. */
  readonly turns: KeyedMutex
  /** A token with so many seconds left. */
  readonly issue: (
    entry: TokenFileEntry,
    minValidSeconds: number,
    signal: AbortSignal,
  ) => Promise<IssuedToken>
  /** Takes note of work that goes on by itself. */
  readonly track: (work: Promise<void>) => void
  /** Told that nothing more is to be kept here: its owner has gone, or another agent has taken it. */
  readonly onEnd: (file: ManagedTokenFile, why: 'owner-gone' | 'taken') => void
}

/** One token file that is kept fresh, from its first token until it is dropped. */
export class ManagedTokenFile {
  readonly entry: TokenFileEntry
  readonly #parts: ManagedTokenFileParts
  readonly #ended = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #renewing = false
  /** Undefined while there is no token in the file. */
  #expiresAt: UnixSeconds | undefined
  #reportedExpiry: UnixSeconds = 0
  #identity: FileIdentity | undefined
  #nextTry: UnixSeconds = 0
  /** Seconds waited after the last failure; 0 = it did not fail. */
  #pause = 0
  #error: string | undefined

  constructor(entry: TokenFileEntry, parts: ManagedTokenFileParts) {
    this.entry = entry
    this.#parts = parts
  }

  /** Takes over what an earlier agent left, and tries for a new token at once. */
  resume({ expiresAt, identity }: Pick<TokenFileRecord, 'expiresAt' | 'identity'>): void {
    this.#expiresAt = expiresAt
    this.#reportedExpiry = expiresAt
    this.#identity = identity
    this.#error = 'no token yet'
    this.tryNow()
  }

  /** Does not wait any longer to try again, as after a new login. */
  tryNow(): void {
    if (this.#error === undefined) return
    this.#nextTry = 0
    this.#arm(0)
  }

  /**
   * Writes a token and plans the next one.
   * @throws AgentError as {@link writeTokenFile}
   */
  async write(token: IssuedToken): Promise<void> {
    const { runtime, turns, uid } = this.#parts
    await turns.run(this.entry.path, async () => {
      if (this.#ended.signal.aborted) return
      this.#identity = await writeTokenFile(this.entry.path, token.accessToken, uid)
      const plan = planRenewal(token, this.#now(), this.entry.minValidSeconds, runtime.random())
      await this.#keepTo(plan, token)
    })
    this.#arm()
  }

  get state(): TokenFileState {
    const { path, account } = this.entry
    return {
      path,
      account,
      expires_at: Math.floor(this.#reportedExpiry),
      state: this.#error === undefined ? 'fresh' : 'retrying',
      error: this.#error,
    }
  }

  /** Ends the keeping at once; resolves when nothing more is written, and the file gone if `remove`. */
  async drop({ remove }: { readonly remove: boolean }): Promise<void> {
    this.#ended.abort(new AgentError('peer-disconnected', 'the file is no longer kept'))
    clearTimeout(this.#timer)
    await this.#parts.turns.run(this.entry.path, async () => {
      if (remove) await this.#removeFile()
    })
  }

  async #keepTo({ renewAt, expiresAt }: RenewalPlan, token: IssuedToken): Promise<void> {
    this.#expiresAt = expiresAt
    this.#reportedExpiry = token.expiresAt
    this.#nextTry = renewAt
    this.#pause = 0
    this.#error = undefined
    const record = { ...this.entry, expiresAt, identity: this.#identity ?? '' }
    await this.#parts.records.save(record).catch((error: unknown) => {
      const { path } = this.entry
      this.#parts.log.warn(`${path} will not be kept by the next agent: ${systemReason(error)}`)
    })
  }

  #arm(delayMs = this.#untilNextLook()): void {
    clearTimeout(this.#timer)
    if (this.#ended.signal.aborted) return
    this.#timer = setTimeout(() => this.#parts.track(this.#look()), delayMs)
    this.#timer.unref()
  }

  #untilNextLook(): number {
    const tryAt = this.#renewing ? Number.POSITIVE_INFINITY : this.#nextTry
    const due = Math.min(tryAt, this.#expiresAt ?? Number.POSITIVE_INFINITY)
    const most = this.entry.owner === undefined ? LONGEST_LOOK_MS : OWNER_LOOK_MS
    return Math.min(Math.max(due * 1000 - this.#parts.runtime.now(), SHORTEST_LOOK_MS), most)
  }

  async #look(): Promise<void> {
    if (this.entry.owner !== undefined && !isAlive(this.entry.owner)) {
      this.#parts.onEnd(this, 'owner-gone')
      return
    }
    // A renewal may take longer than the next look: expiry and owner are seen to meanwhile.
    if (!this.#renewing && this.#now() >= this.#nextTry) this.#parts.track(this.#renew())
    if (this.#expiresAt !== undefined && this.#now() >= this.#expiresAt) await this.#expire()
    this.#arm()
  }

  async #renew(): Promise<void> {
    this.#renewing = true
    const { records, issue, onEnd, log } = this.#parts
    try {
      if (await records.isTaken(this.entry.path)) {
        onEnd(this, 'taken')
        return
      }
      await this.write(await issue(this.entry, this.#neededSeconds(), this.#ended.signal))
    } catch (error) {
      if (this.#ended.signal.aborted) return
      this.#error = systemReason(error)
      const left = (this.#expiresAt ?? 0) - this.#now()
      this.#pause = retryPauseSeconds(this.#pause, left)
      this.#nextTry = this.#now() + this.#pause
      log.warn(`could not renew the token in ${this.entry.path}: ${this.#error}`)
    } finally {
      this.#renewing = false
      this.#arm()
    }
  }

  /** The new token is to outlive the one in the file. */
  #neededSeconds(): number {
    const left = Math.ceil((this.#expiresAt ?? 0) - this.#now()) + 1
    return Math.max(left, this.entry.minValidSeconds)
  }

  async #expire(): Promise<void> {
    const { turns, log } = this.#parts
    const { path } = this.entry
    await turns.run(path, async () => {
      // Renewed while this waited for its turn.
      if (this.#expiresAt === undefined || this.#now() < this.#expiresAt) return
      await this.#removeFile()
      this.#error ??= 'its token has expired'
      log.warn(`${path} is removed: its token has expired`)
    })
  }

  async #removeFile(): Promise<void> {
    const { log, uid } = this.#parts
    const { path } = this.entry
    const identity = this.#identity
    this.#expiresAt = undefined
    this.#reportedExpiry = 0
    this.#identity = undefined
    if (identity === undefined) return
    await removeTokenFile(path, uid, identity).catch((error: unknown) =>
      log.warn(`${path} could not be removed: ${systemReason(error)}`),
    )
  }

  #now(): UnixSeconds {
    return this.#parts.runtime.now() / 1000
  }
}

/** How long a token is taken to live whose provider does not say. */
const ASSUMED_LIFETIME_SECONDS = 600
/** Failing renewals: the first pause, doubled each time, up to the longest. */
const FIRST_PAUSE_SECONDS = 5
const LONGEST_PAUSE_SECONDS = 300
/** Between two tries there is at least so much, however short the token's life. */
const SHORTEST_PAUSE_SECONDS = 1

/** When the token in a file is to be replaced, and when it must be gone. */
export interface RenewalPlan {
  readonly renewAt: UnixSeconds
  readonly expiresAt: UnixSeconds
}

/**
 * The plan for a token that was written now. Readers take what is in the file without asking how
 * long it lives, so `minValidSeconds` is kept as far as half the token's life allows.
 */
export function planRenewal(
  token: { readonly expiresAt: UnixSeconds },
  now: UnixSeconds,
  minValidSeconds: number,
  random: number,
): RenewalPlan {
  const expiresAt = token.expiresAt === 0 ? now + ASSUMED_LIFETIME_SECONDS : token.expiresAt
  const written = { expiresAt, obtainedAt: now, askedSeconds: minValidSeconds }
  const renewAt = expiresAt - renewalLeadSeconds(written, random)
  // A provider that gives the same token again until it expires is not asked all the time.
  return { renewAt: Math.max(renewAt, now + SHORTEST_PAUSE_SECONDS), expiresAt }
}

/**
 * Seconds until the next try, `left` seconds before the token expires: twice the pause before it (0 at
 * the first failure), but so that several tries fit into what is left of a short token's life.
 */
export function retryPauseSeconds(before: number, left: number): number {
  const growing = before === 0 ? FIRST_PAUSE_SECONDS : Math.min(before * 2, LONGEST_PAUSE_SECONDS)
  return Math.max(left > 0 ? Math.min(growing, left / 4) : growing, SHORTEST_PAUSE_SECONDS)
}
