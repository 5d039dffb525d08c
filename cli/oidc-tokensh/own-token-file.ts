import { rm } from 'node:fs/promises'
import { replaceFile } from '../../protocol/storage/files.ts'
import { tokenLine } from '../../protocol/storage/token-line.ts'
import { systemReason } from '../../protocol/wire/errors.ts'
import type { AccessTokenReply, UnixSeconds } from '../../protocol/wire/messages.ts'

/** The assumed lifetime of a token whose provider does not report one. */
const ASSUMED_LIFETIME_SECONDS = 600
/** A token is renewed at least so long before it expires, if its life is twice that. */
const LEAD_SECONDS = 120
const LONGEST_PAUSE_SECONDS = 60
/** Timers stop while the machine sleeps: the clock is looked at again at least so often. */
const LONGEST_LOOK_MS = 30_000

export interface OwnTokenFileParts {
  readonly path: string
  readonly minValidSeconds: number
  /** Gets a token with so many seconds left. */
  readonly issue: (minValidSeconds: number, signal: AbortSignal) => Promise<AccessTokenReply>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Reports a renewal that failed, for the person. */
  readonly warn: (line: string) => void
}

/**
 * A token file that this process keeps fresh itself, for as long as it runs: where the agent cannot write,
 * as over a forwarded socket. Its directory is for this process alone.
 */
export class OwnTokenFile {
  readonly #parts: OwnTokenFileParts
  readonly #ended = new AbortController()
  #size = 0
  #expiresAt: UnixSeconds = 0
  #dueAt: UnixSeconds = 0
  #hasFailed = false
  #timer: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(parts: OwnTokenFileParts) {
    this.#parts = parts
  }

  /** Writes the first token. @throws AgentError of the token or of the file */
  async start(): Promise<AccessTokenReply> {
    const reply = await this.#renew()
    this.#arm()
    return reply
  }

  /** Resolves when nothing more is written. The file stays. */
  async stop(): Promise<void> {
    this.#ended.abort()
    clearTimeout(this.#timer)
    await this.#work
  }

  #arm(): void {
    if (this.#ended.signal.aborted) return
    const due = Math.max(this.#dueAt * 1000 - this.#parts.now(), 0)
    this.#timer = setTimeout(
      () => {
        this.#work = this.#look()
      },
      Math.min(due, LONGEST_LOOK_MS),
    )
  }

  async #look(): Promise<void> {
    if (this.#now() >= this.#dueAt) await this.#tryRenewal()
    this.#arm()
  }

  async #tryRenewal(): Promise<void> {
    try {
      await this.#renew()
      this.#hasFailed = false
    } catch (error) {
      if (this.#ended.signal.aborted) return
      const { path, warn } = this.#parts
      const left = this.#expiresAt - this.#now()
      this.#dueAt = this.#now() + retryPauseSeconds(left)
      if (!this.#hasFailed) warn(`could not renew the token in ${path}: ${systemReason(error)}`)
      this.#hasFailed = true
      // Readers do not look at the expiry of a token.
      if (left <= 0) await rm(path, { force: true }).catch(() => undefined)
    }
  }

  async #renew(): Promise<AccessTokenReply> {
    const { path, minValidSeconds, issue } = this.#parts
    // The new token is to outlive the one in the file.
    const left = Math.ceil(this.#expiresAt - this.#now()) + 1
    const reply = await issue(Math.max(left, minValidSeconds), this.#ended.signal)
    const line = tokenLine(reply.access_token, this.#size)
    await replaceFile(path, line)
    this.#size = line.length
    const now = this.#now()
    this.#expiresAt = reply.expires_at === 0 ? now + ASSUMED_LIFETIME_SECONDS : reply.expires_at
    this.#dueAt = renewalTime(this.#expiresAt, now, minValidSeconds)
    return reply
  }

  #now(): UnixSeconds {
    return this.#parts.now() / 1000
  }
}

/** When a token obtained at `now` is renewed: with `minValidSeconds` left, as far as half its life allows. */
export function renewalTime(
  expiresAt: UnixSeconds,
  now: UnixSeconds,
  minValidSeconds: number,
): UnixSeconds {
  const life = expiresAt - now
  // A provider that returns the same token until it expires is asked once a second at most.
  return Math.max(expiresAt - Math.min(Math.max(minValidSeconds, LEAD_SECONDS), life / 2), now + 1)
}

/** Seconds until the next try, `left` seconds before the token expires. */
export function retryPauseSeconds(left: number): number {
  if (left <= 0) return LONGEST_PAUSE_SECONDS / 4
  return Math.min(Math.max(left / 4, 1), LONGEST_PAUSE_SECONDS)
}
