import type { Io, Output } from '../run.ts'

/**
 * The world of a program that condor_submit starts in the middle of a line it is printing: what we
 * say there begins with an end of line. A program that says nothing writes nothing.
 */
export function onNewLine(io: Io): Io {
  let isFirst = true
  const after = (output: () => Output): Output => ({
    get isTTY() {
      return output().isTTY
    },
    write(text) {
      const written = isFirst ? `\n${text}` : text
      isFirst = false
      return output().write(written)
    },
  })
  const { argv, env, uid, now } = io
  const stderr = after(() => io.stderr)
  // The streams of a process are opened when they are first used. Only who asks for it gets something
  // on stdout: help, or the version.
  return {
    argv,
    env,
    uid,
    now,
    stderr,
    get stdout() {
      return io.stdout
    },
  }
}
