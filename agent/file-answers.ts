import { AgentError } from '../protocol/wire/errors.ts'
import { raceAbort, Semaphore, SingleFlight, startDeadline } from './concurrency.ts'

/**
 * Threads for files and for looking up host names, in libuv's pool. A thread cannot be taken back from a
 * network home or mount that hangs, and libuv's four are soon lost. 64 take half a megabyte more.
 */
const THREADS = 64
/** How long a file system may take for one answer, milliseconds. */
const ANSWER_MS = 5000

/**
 * How many answers are awaited at a time: of files that have not answered before, or did not the last time,
 * and of those that have. So a client that names files on a dead mount cannot keep others from theirs, and
 * both leave threads for account files and host names.
 */
const turns = { unknown: new Semaphore(THREADS / 2), reliable: new Semaphore(THREADS / 4) }

/** The questions that were answered in time when they were last asked. */
const reliable = new Set<string>()
/** Most that are remembered. A sanity bound: a CA directory has some hundred files. */
const MAX_RELIABLE = 5000

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
  ms: number = ANSWER_MS,
): Promise<T> {
  const turn = reliable.has(question) ? turns.reliable : turns.unknown
  const answer = awaited.run(question, () => turn.run(ask)) as Promise<T>
  const deadline = startDeadline(ms, new AbortController().signal)
  try {
    const answered = await raceAbort(answer, deadline.signal)
    remember(question)
    return answered
  } catch (error) {
    if (!deadline.passed()) {
      // An error is an answer, too.
      remember(question)
      throw error
    }
    reliable.delete(question)
    throw new NoFileAnswer(ms)
  } finally {
    deadline.end()
  }
}

function remember(question: string): void {
  if (reliable.size >= MAX_RELIABLE) reliable.clear()
  reliable.add(question)
}
