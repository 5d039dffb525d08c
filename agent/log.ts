import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectories } from '../protocol/storage/files.ts'
import { sanitize } from '../protocol/wire/text.ts'

/**
 * The agent's log. A line names an event, an account, an issuer or an error. Callers must not pass a
 * token, a password or the content of a message.
 */
export interface Log {
  debug(text: string): void
  warn(text: string): void
}

export type LogSink = (line: string) => void

/** A log that writes to `sink`; debug lines only if `debug` is set. Each text becomes one line. */
export function createLog(sink: LogSink, debug: boolean): Log {
  const write = (level: string, text: string): void =>
    sink(
      `${new Date().toISOString()} oidc-agent[${String(process.pid)}] ${level}: ${sanitize(text, 'line')}\n`,
    )
  return {
    debug: debug ? (text) => write('debug', text) : () => undefined,
    warn: (text) => write('warning', text),
  }
}

export const silentLog: Log = { debug: () => undefined, warn: () => undefined }

/**
 * A sink that appends to `agent.log` in `directory`, which is made with the first line. Node has no
 * access to syslog, and the stderr of a daemon is lost: without this file its warnings would be, too.
 */
export function fileSink(directory: string): LogSink {
  const path = join(directory, 'agent.log')
  let made = false
  return (line) => {
    try {
      if (!made) makeDirectories(directory)
      made = true
      appendFileSync(path, line, { mode: 0o600 })
    } catch {
      // A full or missing disk must not end the agent, and there is no other place for the line.
    }
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
