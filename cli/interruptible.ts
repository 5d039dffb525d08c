/** Waits to be told of the person's first Ctrl-C; the function it returns ends that. */
export type OnInterrupt = (callback: () => void) => () => void

/** Ctrl-C at this process. A second one ends it as it does any program. */
export const onInterrupt: OnInterrupt = (callback) => {
  process.once('SIGINT', callback)
  return () => void process.removeListener('SIGINT', callback)
}

/** Does `work` with a signal that Ctrl-C aborts. */
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
