import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { type FileHandle, link, lstat, readFile, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemCode, systemReason } from '../wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../wire/json.ts'
import { besidePath, createPrivate, finalTarget } from './files.ts'
import { identityOfProcess, isAlive } from './process-identity.ts'

/** How often the holder shows that it lives, milliseconds. */
const TOUCH_MS = 5_000
/** A lock that its holder has not touched for so long, by the clock of the file server, may be broken. */
const STALE_MS = 60_000
/** Pauses of a waiter, milliseconds: from the first to the longest. */
const FIRST_POLL_MS = 5
const LONGEST_POLL_MS = 200
/** How often a waiter asks the file server for its clock, milliseconds. */
const CLOCK_MS = 5_000

/** Whether a file is locked while work is done with it. */
export type LockState =
  | { readonly state: 'held' }
  /** There can be no lock beside the file, as in a read-only directory: the work goes on without. */
  | { readonly state: 'unavailable'; readonly reason: string }

export interface LockTimes {
  readonly touchMs?: number
  readonly staleMs?: number
}

/** Who holds a lock, as its file says. */
interface Holder {
  readonly host: string
  /** Of the machine's start (random/boot_id): a pid means nothing after the next one. */
  readonly boot: string
  /** The pid namespace: the pid of a container's process is another one outside. */
  readonly namespace: string
  readonly pid: number
  readonly started: string
  /** Tells this lock from every other one. */
  readonly nonce: string
}

/**
 * Does `work` while no other process of ours, on this machine or on another one with the same file
 * system, works on the file at `path`. The lock is a file beside it, made with O_EXCL, which NFS keeps
 * since version 3. A lock whose holder has ended on this machine is broken at once, any other one when it has
 * not been touched for 60 s.
 * @param signal ends the wait for the lock, not the work
 * @throws what `work` throws, or the reason of `signal`
 */
export async function withFileLock<T>(
  path: string,
  signal: AbortSignal,
  work: (lock: LockState) => Promise<T>,
  times: LockTimes = {},
): Promise<T> {
  const lockPath = `${besidePath(await finalTarget(path).catch(() => path))}.lock`
  const lock = await acquire(lockPath, signal, times)
  if ('reason' in lock) return work({ state: 'unavailable', reason: lock.reason })
  try {
    return await work({ state: 'held' })
  } finally {
    await lock.release()
  }
}

type Attempt = HeldLock | { readonly reason: string }

async function acquire(
  path: string,
  signal: AbortSignal,
  { touchMs = TOUCH_MS, staleMs = STALE_MS }: LockTimes,
): Promise<Attempt> {
  const clockMs = Math.min(CLOCK_MS, staleMs / 2)
  let clockAskedAt = Number.NEGATIVE_INFINITY
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(2 * pause, LONGEST_POLL_MS)) {
    signal.throwIfAborted()
    const attempt = await tryToLock(path, touchMs)
    if (attempt !== undefined) return attempt
    const asksClock = performance.now() - clockAskedAt >= clockMs
    if (asksClock) clockAskedAt = performance.now()
    try {
      if (await isAbandoned(path, asksClock ? staleMs : undefined)) continue
    } catch (error) {
      return { reason: systemReason(error) }
    }
    // Waiters of one lock do not look at the same moments.
    await sleep(pause * (0.5 + Math.random()), undefined, { signal })
  }
}

/**
 * Undefined: another process has the lock. Any error but that one says that there can be no lock here: a
 * read-only or full file system, a directory that is gone, a limit on the size of files.
 */
async function tryToLock(path: string, touchMs: number): Promise<Attempt | undefined> {
  try {
    return await HeldLock.create(path, randomBytes(16).toString('hex'), touchMs)
  } catch (error) {
    return systemCode(error) === 'EEXIST' ? undefined : { reason: systemReason(error) }
  }
}

/** The nonces of locks that this process does not hold any more, but could not remove. */
const leftBehind = new Set<string>()

class HeldLock {
  readonly #path: string
  readonly #nonce: string
  readonly #file: FileHandle
  readonly #inode: bigint
  readonly #touchMs: number
  #timer: NodeJS.Timeout

  private constructor(
    path: string,
    nonce: string,
    { file, inode, touchMs }: { file: FileHandle; inode: bigint; touchMs: number },
  ) {
    this.#path = path
    this.#nonce = nonce
    this.#file = file
    this.#inode = inode
    this.#touchMs = touchMs
    this.#timer = setInterval(() => void this.#touch(), touchMs).unref()
  }

  static async create(path: string, nonce: string, touchMs: number): Promise<HeldLock> {
    const file = await createPrivate(path)
    try {
      await file.write(`${JSON.stringify({ ...thisProcess(), nonce })}\n`, 0)
      const { ino: inode } = await file.stat({ bigint: true })
      return new HeldLock(path, nonce, { file, inode, touchMs })
    } catch (error) {
      await file.close()
      await rm(path, { force: true })
      throw error
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    if (!(await this.#isRemoved())) this.#removeLater()
    await this.#file.close().catch(() => undefined)
  }

  async #isRemoved(): Promise<boolean> {
    try {
      // Broken by a waiter, as after a suspended machine: the lock that is there is another one's.
      if ((await lstat(this.#path, { bigint: true })).ino === this.#inode) await rm(this.#path)
      return true
    } catch (error) {
      return systemCode(error) === 'ENOENT'
    }
  }

  /**
   * The directory could not be reached, as when a Kerberos ticket expired during the work. This process
   * breaks a lock of its own that it does not hold any more; others would wait until it is stale.
   */
  #removeLater(): void {
    leftBehind.add(this.#nonce)
    const until = performance.now() + STALE_MS
    this.#timer = setInterval(() => {
      void this.#isRemoved().then((isRemoved) => {
        if (!isRemoved && performance.now() <= until) return
        clearInterval(this.#timer)
        leftBehind.delete(this.#nonce)
      })
    }, this.#touchMs).unref()
  }

  /** A write, since the server then sets the time by its own clock; utimes would set it by ours. */
  async #touch(): Promise<void> {
    try {
      await this.#file.write('{', 0)
      await this.#file.datasync()
    } catch {
      // The next one may succeed.
    }
  }
}

/**
 * Whether the lock that was in the way is gone: released meanwhile, or broken here since its holder has
 * ended. `staleMs`: also one that was not touched for so long.
 */
async function isAbandoned(path: string, staleMs: number | undefined): Promise<boolean> {
  let holder: Holder | undefined
  let touchedAt: number
  try {
    touchedAt = (await lstat(path)).mtimeMs
    holder = holderIn(await readFile(path, 'utf8'))
  } catch (error) {
    return systemCode(error) === 'ENOENT'
  }
  const isStale = staleMs !== undefined && (await serverTime(path)) - touchedAt > staleMs
  if (!isStale && !hasEnded(holder)) return false
  return breakLock(path, holder?.nonce)
}

/** The clock of the file server, milliseconds since 1970; −Infinity where it cannot be seen. */
async function serverTime(lockPath: string): Promise<number> {
  const probe = `${lockPath}.${randomBytes(8).toString('hex')}.clock`
  try {
    const file = await createPrivate(probe)
    try {
      await file.write(' ', 0)
      await file.datasync()
      return (await file.stat()).mtimeMs
    } finally {
      await file.close()
      await rm(probe, { force: true })
    }
  } catch {
    return Number.NEGATIVE_INFINITY
  }
}

/**
 * Takes the lock away under a name of its own and looks whether it is the one that was to be broken: two
 * waiters may come to the same end at the same time, and the second must not break the lock of the first.
 * @throws the system's error if nothing may be renamed here: the lock would stay for ever
 */
async function breakLock(path: string, nonce: string | undefined): Promise<boolean> {
  const taken = `${path}.${randomBytes(8).toString('hex')}.broken`
  try {
    await rename(path, taken)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return true
    throw error
  }
  const found = holderIn(await readFile(taken, 'utf8').catch(() => ''))
  if (found?.nonce !== nonce) await link(taken, path).catch(() => undefined)
  await rm(taken, { force: true })
  return true
}

function hasEnded(holder: Holder | undefined): boolean {
  if (holder === undefined) return false
  const { host, boot, namespace, pid, started } = thisProcess()
  if (holder.host !== host || holder.namespace !== namespace || boot === '') return false
  const isOwn = holder.boot === boot && holder.pid === pid && holder.started === started
  if (isOwn) return leftBehind.has(holder.nonce)
  return holder.boot !== boot || !isAlive(holder)
}

function holderIn(text: string): Holder | undefined {
  try {
    const value = parseTolerantJson(text)
    if (!isJsonObject(value)) return undefined
    const { host, boot, namespace, pid, started, nonce } = value
    if (typeof pid !== 'number' || typeof nonce !== 'string') return undefined
    return {
      host: textOf(host),
      boot: textOf(boot),
      namespace: textOf(namespace),
      pid,
      started: textOf(started),
      nonce,
    }
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

let ownIdentity: Omit<Holder, 'nonce'> | undefined

function thisProcess(): Omit<Holder, 'nonce'> {
  ownIdentity ??= {
    host: hostname(),
    boot: readOr('', () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    namespace: readOr('', () => readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    started: identityOfProcess(process.pid)?.started ?? '',
  }
  return ownIdentity
}

function readOr(fallback: string, read: () => string): string {
  try {
    return read()
  } catch {
    return fallback
  }
}
