import type { ExitOutcome, Io } from './run.ts'

/** The world of this process. Streams are opened when they are first used: opening costs time. */
export function processIo(): Io {
  return {
    argv: process.argv.slice(2),
    env: process.env,
    uid: process.getuid?.() ?? 0,
    now: Date.now,
    get stdout() {
      return watched(process.stdout)
    },
    get stderr() {
      return watched(process.stderr)
    },
  }
}

/** Settles what `run` cannot catch: that what was written does not arrive. */
function watched(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  if (stream.listenerCount('error') === 0)
    stream.on('error', (error: NodeJS.ErrnoException) => reportLoss(error, stream))
  return stream
}

function reportLoss(error: NodeJS.ErrnoException, stream: NodeJS.WriteStream): void {
  // The reader has seen enough: `oidc-add -l | head -1`.
  if (error.code === 'EPIPE') return
  process.exitCode = 1
  // Where stderr is what failed, there is nowhere left to say it.
  if (stream === process.stderr) return
  watched(process.stderr).write(`Error: output lost: ${error.message}\n`)
}

/** Lets this process end once all it wrote has gone out. */
export function exitWith(ending: ExitOutcome): void {
  if (typeof ending === 'number') process.exitCode ??= ending
  else process.once('exit', () => process.kill(process.pid, ending))
}
