import { AgentError } from '../protocol/wire/errors.ts'
import { Semaphore, SingleFlight, startDeadline } from './concurrency.ts'

/**
 * Threads for files and for looking up host names, in libuv's pool. A thread cannot be taken back from a
 * network home or mount that hangs, and libuv's four are soon lost. 64 take half a megabyte more.
 */
const THREADS = 64
/** How long a file system may take for one answer, milliseconds. */
const ANSWER_MS = 5000

/**
 * How many answers are awaited at a time, by who has named the file. What clients name can hang: it gets no
 * more than half of the threads. The files of the system have a lane of their own and are always read.
 */
const lanes = { named: new Semaphore(THREADS / 2), system: new Semaphore(THREADS / 8) }

/** Answers that are awaited now. Who asks the same again waits for the same thread. */
const awaited = new SingleFlight<unknown>()

/** To be called before the first use of a file: later the pool has its size. */
export function startFileThreads(env: NodeJS.ProcessEnv): void {
  env['UV_THREADPOOL_SIZE'] ??= String(THREADS)
}

/** The file system has not answered in time. */
export class NoFileAnswer extends AgentError {
  constructor(ms: number) {
    super('file-unreadable', `the file system does not answer (waited ${ms / 1000} s)`, {
      hint: 'A home directory or another mount of this machine cannot be reached.',
    })
  }
}

/**
 * What a file system answers to `ask`, which names one file and may hang with its mount. The wait ends after
 * `ms`; the thread that waits is then abandoned until the mount answers.
 * @param question tells equal questions from others: what is asked of which file
 * @throws NoFileAnswer, or what `ask` throws
 */
export async function fileAnswer<T>(
  question: string,
  ask: () => Promise<T>,
  { lane = 'named', ms = ANSWER_MS }: { lane?: keyof typeof lanes; ms?: number } = {},
): Promise<T> {
  const answer = awaited.run(`${lane} ${question}`, () => lanes[lane].run(ask)) as Promise<T>
  const deadline = startDeadline(ms, new AbortController().signal)
  try {
    return await new Promise<T>((resolve, reject) => {
      deadline.signal.addEventListener('abort', () => reject(new NoFileAnswer(ms)), { once: true })
      answer.then(resolve, reject)
    })
  } finally {
    deadline.end()
  }
}
