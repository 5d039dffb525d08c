/** A signal that is aborted by the caller's signal or after a time, and says by which. */
export interface Deadline {
  readonly signal: AbortSignal
  /** Whether the time ran out. */
  readonly passed: () => boolean
  /** Forgets timer and caller. */
  readonly end: () => void
}

/**
 * Starts a deadline. `AbortSignal.any` would do it in less, but on Node 20 it keeps what it made
 * alive as long as the caller's signal lives.
 */
export function startDeadline(milliseconds: number, caller: AbortSignal): Deadline {
  const controller = new AbortController()
  let passed = false
  const give = (): void => controller.abort(caller.reason)
  const timer = setTimeout(() => {
    passed = true
    controller.abort()
  }, milliseconds)
  if (caller.aborted) give()
  else caller.addEventListener('abort', give, { once: true })
  return {
    signal: controller.signal,
    passed: () => passed,
    end: () => {
      clearTimeout(timer)
      caller.removeEventListener('abort', give)
    },
  }
}

/** Waits for shared work no longer than `signal` allows; the work goes on for the others. */
export function waitUntil<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const give = (): void => reject(reasonOf(signal))
    if (signal.aborted) {
      give()
      return
    }
    signal.addEventListener('abort', give, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give))
  })
}

/** Why a signal was aborted, as an error. */
export function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}
