import type { Io, Output, SanitizedOutput } from '../run.ts'

/**
 * The {@link Io} of a program that condor_submit starts in the middle of an output line: the first
 * message on stderr begins with an end of line. Without a message nothing is written.
 */
export function onNewLine(io: Io): Io {
  let prefix = '\n'
  const begun = (text: string): string => {
    const whole = `${prefix}${text}`
    prefix = ''
    return whole
  }
  const stderr: SanitizedOutput = {
    get isTTY() {
      return io.stderr.isTTY
    },
    write: (text) => io.stderr.write(begun(text)),
    writeRaw: (text) => io.stderr.writeRaw(begun(text)),
  }
  const { argv, env, uid, now, hideMemory } = io
  return {
    argv,
    env,
    uid,
    now,
    hideMemory,
    stderr,
    // Opened when it is first used; only --help and --version write to it.
    get stdout(): Output {
      return io.stdout
    },
  }
}
