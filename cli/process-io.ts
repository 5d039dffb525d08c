import type { Io } from './run.ts'

/** The world of this process. Streams are opened when they are first used: opening costs time. */
export function processIo(): Io {
  return {
    argv: process.argv.slice(2),
    env: process.env,
    uid: process.getuid?.() ?? 0,
    now: Date.now,
    get stdout() {
      return forgiving(process.stdout)
    },
    get stderr() {
      return forgiving(process.stderr)
    },
  }
}

/** Lets a command end quietly where its reader has gone (`oidc-add -l | head -1`). */
function forgiving(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  if (stream.listenerCount('error') === 0) stream.on('error', endQuietly)
  return stream
}

function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

/** Ends this process with `status` once all it wrote has gone out. */
export function endWith(status: number): void {
  process.exitCode = status
}
