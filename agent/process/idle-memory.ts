import { memoryUsage } from 'node:process'

/** Time without a request after which the agent counts as idle, milliseconds. */
const IDLE_MS = 2000
/** With more memory in use, a collection would keep a request waiting for longer than 20 ms. */
const MAX_HEAP_BYTES = 32 << 20

/**
 * Returns a function to be called at each request. When the agent has been idle for a while, collects the
 * garbage of the last requests: V8 collects only while a program allocates. Does nothing if Node.js was
 * started without `--expose-gc`.
 */
export function collectWhenIdle(): () => void {
  const timer = setTimeout(() => {
    if (memoryUsage().heapUsed <= MAX_HEAP_BYTES) globalThis.gc?.()
  }, IDLE_MS).unref()
  return () => void timer.refresh()
}
