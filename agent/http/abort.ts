import { setMaxListeners } from 'node:events'

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
  const timer = setTimeout(() => {
    passed = true
    controller.abort()
  }, milliseconds)
  const forget = onAbort(caller, () => controller.abort(caller.reason))
  return {
    signal: controller.signal,
    passed: () => passed,
    end: () => {
      clearTimeout(timer)
      forget()
    },
  }
}

/** Waits for shared work no longer than `signal` allows; the work goes on for the others. */
export function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const forget = onAbort(signal, () => reject(abortReason(signal)))
    work.then(resolve, reject).finally(forget)
  })
}

/** Why a signal was aborted, as an error. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}

/** Calls back when `signal` is aborted, at once if it is already. Returns how to stop that. */
function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) callback()
  // A signal may be shared by any number of requests: Node would warn of the eleventh.
  else setMaxListeners(0, signal)
  signal.addEventListener('abort', callback, { once: true })
  return () => signal.removeEventListener('abort', callback)
}
