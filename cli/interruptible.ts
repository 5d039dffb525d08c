/** Waits to be told of the person's first Ctrl-C or hang-up; the function it returns ends that. */
export type OnInterrupt = (callback: () => void) => () => void

/** Ctrl-C, the closing of the terminal, and what a system sends before it kills. */
const signals = ['SIGINT', 'SIGHUP', 'SIGTERM'] as const

/** Any of {@link signals} at this process. A second one ends it as it does any program. */
export const onInterrupt: OnInterrupt = (callback) => {
  const heard = (signal: NodeJS.Signals): void => {
    // A cancelled command ends by SIGINT; the one that was sent comes before that.
    if (signal !== 'SIGINT') process.once('exit', () => process.kill(process.pid, signal))
    callback()
  }
  for (const signal of signals) process.once(signal, heard)
  return () => {
    for (const signal of signals) process.removeListener(signal, heard)
  }
}

/** Does `work` with a signal that an interrupt aborts. */
export async function interruptible<T>(
  listen: OnInterrupt,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController()
  const release = listen(() => abort.abort())
  try {
    return await work(abort.signal)
  } finally {
    release()
  }
}
