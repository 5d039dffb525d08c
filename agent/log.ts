import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectories } from '../protocol/storage/files.ts'

/**
 * The agent's log. Lines name events, accounts, issuers and errors; nothing that is passed here may
 * be a token, a password or a whole message: callers log names and counts, never contents.
 */
export interface Log {
  debug(text: string): void
  warn(text: string): void
}

export type LogSink = (line: string) => void

/** A log writing to `sink`; debug lines only where `debug` is set. */
export function createLog(sink: LogSink, debug: boolean): Log {
  const write = (level: string, text: string): void =>
    sink(
      `${new Date().toISOString()} oidc-agent[${String(process.pid)}] ${level}: ${clean(text)}\n`,
    )
  return {
    debug: debug ? (text) => write('debug', text) : () => undefined,
    warn: (text) => write('warning', text),
  }
}

export const silentLog: Log = { debug: () => undefined, warn: () => undefined }

/**
 * A sink that appends to `agent.log` in `directory`, made on the first line. Node reaches no
 * syslog, and a daemon's stderr is gone: without this file its warnings would be too.
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
      // A full or missing disk must not end the agent, and there is nobody left to tell.
    }
  }
}

/** Class and place of an unexpected error. Not its message: V8 quotes the parsed text in some of them. */
export function whereThrown(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '))
  return [error.name, ...frames.slice(0, 8)].join(' ')
}

/** Control characters out: a provider's text must not forge lines or move a terminal's cursor. */
function clean(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
}
