import { isAlive } from '../../protocol/storage/process-identity.ts'
import { AgentError, systemReason } from '../../protocol/wire/errors.ts'
import type { TokenFileState, UnixSeconds } from '../../protocol/wire/messages.ts'
import { type IssuedToken, renewalLeadSeconds } from '../accounts/token-cache.ts'
import { type KeyedMutex, type Moment, momentOf, type Runtime, steadyNow } from '../concurrency.ts'
import type { Log } from '../log.ts'
import type { FileIdentity } from './directory-handle.ts'
import type { TokenFileEntry, TokenFileRecord, TokenFileRegistry } from './registry.ts'
import { removeTokenFile, writeTokenFile } from './token-file.ts'

/** Timers stop while the machine sleeps: the clock is looked at again at least so often. */
const LONGEST_LOOK_MS = 30_000
/** How soon the end of a file's owner process is seen, also of one that was killed. */
const OWNER_LOOK_MS = 2_000
const SHORTEST_LOOK_MS = 10

export interface ManagedTokenFileParts {
  readonly runtime: Runtime
  readonly log: Log
  readonly uid: number
  readonly records: TokenFileRegistry
  /** One turn at a time for each path: files of one path, old and new, never write at the same time. */
  readonly turns: KeyedMutex
  /** Issues a token with so many seconds left. */
  readonly issue: (
    entry: TokenFileEntry,
    minValidSeconds: number,
    signal: AbortSignal,
  ) => Promise<IssuedToken>
  /** Registers work that goes on by itself. */
  readonly track: (work: Promise<void>) => void
  /** Called when the file is no longer to be managed here: its owner process or another agent is the reason. */
  readonly onEnd: (file: ManagedTokenFile, why: 'owner-gone' | 'taken') => void
}

/** The token that is in the file. */
export interface WrittenToken {
  readonly expiresAt: UnixSeconds
  /** As the provider said; 0 = unknown. */
  readonly reportedExpiry: UnixSeconds
  readonly identity: FileIdentity
}

export type ManagedState =
  /** The first token is yet to be written. */
  | { readonly state: 'waiting'; readonly written: undefined }
  | { readonly state: 'fresh'; readonly written: WrittenToken; readonly renewAt: UnixSeconds }
  /** `error` and `pause` are those of the try before, if that failed. */
  | {
      readonly state: 'renewing'
      readonly written: WrittenToken | undefined
      readonly error: string | undefined
      readonly pause: number
    }
  | {
      readonly state: 'retrying'
      readonly written: WrittenToken | undefined
      readonly error: string
      readonly nextTry: UnixSeconds
      /** Seconds waited after the last failure; 0 = there was none. */
      readonly pause: number
    }
  /** Nothing is written any more; `written` is what remains to be removed. */
  | { readonly state: 'ended'; readonly written: WrittenToken | undefined }

/** One token file that is kept fresh, from its first token until it is dropped. */
export class ManagedTokenFile {
  readonly entry: TokenFileEntry
  readonly #parts: ManagedTokenFileParts
  readonly #ended = new AbortController()
  #state: ManagedState = { state: 'waiting', written: undefined }
  /** When the token in the file was written. */
  #since: Moment | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(entry: TokenFileEntry, parts: ManagedTokenFileParts) {
    this.entry = entry
    this.#parts = parts
  }

  /** Takes over what an earlier agent left, and tries for a new token at once. */
  resume({ expiresAt, identity }: Pick<TokenFileRecord, 'expiresAt' | 'identity'>): void {
    const written = { expiresAt, reportedExpiry: expiresAt, identity }
    this.#state = { state: 'retrying', written, error: 'no token yet', nextTry: 0, pause: 0 }
    this.tryNow()
  }

  /** Does not wait any longer for the next try, as after a new login. */
  tryNow(): void {
    if (this.#state.state !== 'retrying') return
    this.#state = { ...this.#state, nextTry: 0 }
    this.#arm(0)
  }

  /**
   * Writes a token and plans the next one.
   * @throws AgentError as {@link writeTokenFile}
   */
  async write(token: IssuedToken): Promise<void> {
    const { runtime, turns, uid } = this.#parts
    await turns.run(this.entry.path, async () => {
      if (this.#state.state === 'ended') return
      const identity = await writeTokenFile(this.entry.path, token.accessToken, uid)
      this.#since = momentOf(runtime)
      const plan = planRenewal(token, this.#now(), this.entry.minValidSeconds, runtime.random())
      await this.#noteWritten(plan, { ...plan, reportedExpiry: token.expiresAt, identity })
    })
    this.#arm()
  }

  /** The file's state as `oidc-agent --status` reports it. */
  get state(): TokenFileState {
    const { path, account } = this.entry
    const error = 'error' in this.#state ? this.#state.error : undefined
    return {
      path,
      account,
      expires_at: Math.floor(this.#state.written?.reportedExpiry ?? 0),
      state: error === undefined ? 'fresh' : 'retrying',
      error,
    }
  }

  /** Stops renewing at once; resolves when nothing more is written, and the file is gone if `remove`. */
  async drop({ remove }: { readonly remove: boolean }): Promise<void> {
    this.#ended.abort(new AgentError('peer-disconnected', 'the file is no longer kept'))
    this.#state = { state: 'ended', written: this.#state.written }
    clearTimeout(this.#timer)
    await this.#parts.turns.run(this.entry.path, async () => {
      if (remove) await this.#removeFile()
    })
  }

  async #noteWritten({ renewAt }: RenewalPlan, written: WrittenToken): Promise<void> {
    // Dropped while it was written: the file is still to be removed.
    const isEnded = this.#ended.signal.aborted
    this.#state = isEnded ? { state: 'ended', written } : { state: 'fresh', written, renewAt }
    const { expiresAt, identity } = written
    await this.#parts.records
      .save({ ...this.entry, expiresAt, identity })
      .catch((error: unknown) => {
        const { path } = this.entry
        this.#parts.log.warn(`${path} will not be kept by the next agent: ${systemReason(error)}`)
      })
  }

  #arm(delayMs?: number): void {
    clearTimeout(this.#timer)
    const hasOwner = this.entry.owner !== undefined
    const delay = delayMs ?? nextLookMs(this.#state, hasOwner, this.#now() * 1000)
    if (this.#state.state === 'ended' || delay === undefined) return
    this.#timer = setTimeout(() => this.#parts.track(this.#look()), delay).unref()
  }

  async #look(): Promise<void> {
    if (this.entry.owner !== undefined && !isAlive(this.entry.owner)) {
      this.#parts.onEnd(this, 'owner-gone')
      return
    }
    // A renewal may take longer than the next look: expiry and owner are looked at in between.
    if (this.#isTryDue()) this.#parts.track(this.#renew())
    if (hasExpired(this.#state.written, this.#now())) await this.#expire()
    this.#arm()
  }

  #isTryDue(): boolean {
    const at = tryAt(this.#state)
    return at !== undefined && this.#now() >= at
  }

  async #renew(): Promise<void> {
    const { records, issue, onEnd, log } = this.#parts
    const { written } = this.#state
    const before = this.#state.state === 'retrying' ? this.#state : undefined
    this.#state = { state: 'renewing', written, error: before?.error, pause: before?.pause ?? 0 }
    try {
      if (await records.isTaken(this.entry.path)) {
        onEnd(this, 'taken')
        return
      }
      await this.write(await issue(this.entry, this.#neededSeconds(), this.#ended.signal))
    } catch (error) {
      if (this.#ended.signal.aborted) return
      this.#failed(systemReason(error))
      log.warn(`could not renew the token in ${this.entry.path}: ${systemReason(error)}`)
    } finally {
      this.#arm()
    }
  }

  #failed(error: string): void {
    const { written } = this.#state
    const before = 'pause' in this.#state ? this.#state.pause : 0
    const pause = retryPauseSeconds(before, (written?.expiresAt ?? 0) - this.#now())
    this.#state = { state: 'retrying', written, error, pause, nextTry: this.#now() + pause }
  }

  /** The new token is to outlive the one in the file. */
  #neededSeconds(): number {
    const left = Math.ceil((this.#state.written?.expiresAt ?? 0) - this.#now()) + 1
    return Math.max(left, this.entry.minValidSeconds)
  }

  async #expire(): Promise<void> {
    const { turns, log } = this.#parts
    const { path } = this.entry
    await turns.run(path, async () => {
      // Renewed while this waited for its turn.
      if (!hasExpired(this.#state.written, this.#now())) return
      await this.#removeFile()
      log.warn(`${path} is removed: its token has expired`)
    })
  }

  async #removeFile(): Promise<void> {
    const { log, uid } = this.#parts
    const { path } = this.entry
    const identity = this.#state.written?.identity
    this.#state = withoutToken(this.#state)
    if (identity === undefined) return
    await removeTokenFile(path, uid, identity).catch((error: unknown) =>
      log.warn(`${path} could not be removed: ${systemReason(error)}`),
    )
  }

  #now(): UnixSeconds {
    return steadyNow(this.#parts.runtime, this.#since)
  }
}

/** Milliseconds until a file in this state is to be looked at again; undefined: not at all. */
export function nextLookMs(
  state: ManagedState,
  hasOwner: boolean,
  nowMs: number,
): number | undefined {
  if (state.state === 'waiting' || state.state === 'ended') return undefined
  const never = Number.POSITIVE_INFINITY
  const due = Math.min(tryAt(state) ?? never, state.written?.expiresAt ?? never)
  const longest = hasOwner ? OWNER_LOOK_MS : LONGEST_LOOK_MS
  return Math.min(Math.max(due * 1000 - nowMs, SHORTEST_LOOK_MS), longest)
}

/** When the next try for a new token is due; undefined if none is planned, or one is under way. */
function tryAt(state: ManagedState): UnixSeconds | undefined {
  switch (state.state) {
    case 'fresh':
      return state.renewAt
    case 'retrying':
      return state.nextTry
    case 'waiting':
    case 'renewing':
    case 'ended':
      return undefined
  }
}

function hasExpired(written: WrittenToken | undefined, now: UnixSeconds): boolean {
  return written !== undefined && now >= written.expiresAt
}

/** The state of a file whose token is removed. If it was fresh, its renewal came too late. */
function withoutToken(state: ManagedState): ManagedState {
  const written = undefined
  const expired = 'its token has expired'
  switch (state.state) {
    case 'fresh':
      return { state: 'retrying', written, error: expired, nextTry: state.renewAt, pause: 0 }
    case 'renewing':
      return { ...state, written, error: state.error ?? expired }
    case 'waiting':
    case 'retrying':
    case 'ended':
      return { ...state, written }
  }
}

/** The assumed lifetime of a token whose provider does not report one. */
const ASSUMED_LIFETIME_SECONDS = 600
/** After a failed renewal: the first pause, doubled each time, up to the longest. */
const FIRST_PAUSE_SECONDS = 5
const LONGEST_PAUSE_SECONDS = 300
/** The least pause between two tries, however short the token's life. */
const SHORTEST_PAUSE_SECONDS = 1

/** When the token in a file is to be replaced, and when the file must be removed. */
export interface RenewalPlan {
  readonly renewAt: UnixSeconds
  readonly expiresAt: UnixSeconds
}

/**
 * The plan for a token that was written at `now`. Readers use the token in the file without looking at
 * its expiry, so it always has `minValidSeconds` left, as far as half the token's life allows.
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
  // A provider that returns the same token until it expires is asked once a second at most.
  return { renewAt: Math.max(renewAt, now + SHORTEST_PAUSE_SECONDS), expiresAt }
}

/**
 * Seconds until the next try, `left` seconds before the token expires: twice the pause `before` (0 at
 * the first failure), but short enough for several tries before a short-lived token expires.
 */
export function retryPauseSeconds(before: number, left: number): number {
  const growing = before === 0 ? FIRST_PAUSE_SECONDS : Math.min(before * 2, LONGEST_PAUSE_SECONDS)
  return Math.max(left > 0 ? Math.min(growing, left / 4) : growing, SHORTEST_PAUSE_SECONDS)
}
