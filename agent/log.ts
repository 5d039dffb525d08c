import { appendFileSync } from 'node:fs'
import { appendFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectories } from '../protocol/storage/files.ts'
import { systemCode } from '../protocol/wire/errors.ts'
import { sanitize } from '../protocol/wire/text.ts'

/**
 * The agent's log. A line names an event, an account, an issuer or an error. Callers must not pass a
 * token, a password or the content of a message.
 */
export interface Log {
  debug(text: string): void
  warn(text: string): void
  /**
   * An error that is a fault of this program, with its stack: each kind at most once a minute.
   * @param context what failed, without data of a peer: it is a part of the kind
   */
  fault(context: string, error: unknown): void
}

export type LogSink = (line: string) => void

/**
 * A log that writes to `sink`; debug lines only if `debug` is set. Each text becomes one line.
 * @param now milliseconds since 1970
 */
export function createLog(sink: LogSink, debug: boolean, now: () => number = Date.now): Log {
  const write = (level: string, text: string): void =>
    sink(
      `${new Date().toISOString()} oidc-agent[${String(process.pid)}] ${level}: ${sanitize(text, 'line')}\n`,
    )
  const warn = (text: string): void => write('warning', text)
  return {
    debug: debug ? (text) => write('debug', text) : () => undefined,
    warn,
    fault: boundedFaults(warn, now),
  }
}

export const silentLog: Log = {
  debug: () => undefined,
  warn: () => undefined,
  fault: () => undefined,
}

/** Largest log file, bytes. With the one old file, the log takes at most twice as much. */
const MAX_LOG_BYTES = 1_000_000

/** Most lines that wait for the file system, which may not answer; later ones are only counted. */
const MAX_WAITING_LINES = 500

/**
 * `agent.log` in a directory, which is made with the first line. Node has no access to syslog, and the
 * stderr of a daemon is lost: without this file its warnings would be, too. A file of `maxBytes` becomes
 * `agent.log.1`, in place of the one before. Nobody waits for a line: a home that hangs must not stop the agent.
 */
export class LogFile {
  readonly #directory: string
  readonly #path: string
  readonly #maxBytes: number
  readonly #waiting: string[] = []
  #left = 0
  #writing: Promise<void> | undefined

  constructor(directory: string, maxBytes: number = MAX_LOG_BYTES) {
    this.#directory = directory
    this.#path = join(directory, 'agent.log')
    this.#maxBytes = maxBytes
  }

  /** Appends a line, after those before it. */
  readonly write: LogSink = (line) => {
    if (this.#waiting.length < MAX_WAITING_LINES) this.#waiting.push(line)
    else this.#left += 1
    this.#writing ??= this.#writeAll()
  }

  /** Appends the lines that wait and a last one before it returns, for a process that ends now. */
  readonly writeNow: LogSink = (line) => {
    try {
      makeDirectories(this.#directory)
      appendFileSync(this.#path, [...this.#waiting.splice(0), line].join(''), { mode: 0o600 })
    } catch {
      // As for every line: there is no other place for it.
    }
  }

  /** Resolves when no line waits any more. */
  async settled(): Promise<void> {
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    for (let line = this.#waiting.shift(); line !== undefined; line = this.#waiting.shift()) {
      await this.#append(line)
      if (this.#left > 0 && this.#waiting.length === 0) {
        this.#waiting.push(`${this.#left} lines were left out: the file system did not answer\n`)
        this.#left = 0
      }
    }
    this.#writing = undefined
  }

  async #append(line: string): Promise<void> {
    try {
      // Looked up each time: all agents of the user write to this file, and each may rotate it.
      const size = await stat(this.#path).then(
        (stats) => stats.size,
        () => 0,
      )
      if (size > 0 && size + Buffer.byteLength(line) > this.#maxBytes) {
        await rename(this.#path, `${this.#path}.1`)
      }
      await appendFile(this.#path, line, { mode: 0o600 }).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw error
        makeDirectories(this.#directory)
        return appendFile(this.#path, line, { mode: 0o600 })
      })
    } catch {
      // A full or missing disk must not end the agent, and there is no other place for the line.
    }
  }
}

/** A fault that occurs again within this time is only counted, milliseconds. */
const FAULT_PAUSE_MS = 60_000
/** Most kinds of faults that are told apart; the code bounds the kinds, this is a guard only. */
const MAX_FAULT_KINDS = 100

/**
 * Logs each kind of fault at most once a minute: a peer that can cause one must not fill the disk. What
 * came in between is counted in the next line of its kind.
 */
function boundedFaults(warn: (text: string) => void, now: () => number): Log['fault'] {
  const kinds = new Map<string, { readonly loggedAt: number; unlogged: number }>()
  return (context, error) => {
    const text = `${context}: ${whereThrown(error)}`
    const known = kinds.get(text)
    if (known !== undefined && now() - known.loggedAt < FAULT_PAUSE_MS) {
      known.unlogged += 1
      return
    }
    if (known === undefined && kinds.size >= MAX_FAULT_KINDS) kinds.clear()
    kinds.set(text, { loggedAt: now(), unlogged: 0 })
    const more = known?.unlogged ?? 0
    warn(more === 0 ? text : `${text} (and ${more} times since it was last logged)`)
  }
}

/** Class and stack of an unexpected error. Without its message: V8 quotes the parsed text in some. */
export function whereThrown(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '))
  return [error.name, ...frames.slice(0, 8)].join(' ')
}
