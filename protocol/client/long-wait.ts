import { AgentError } from '../wire/errors.ts'
import type { Replies } from '../wire/messages.ts'
import type { WaitTimes } from './connection.ts'

/** A call that has taken `noticeMs` by now. */
export interface LongWait {
  readonly times: WaitTimes
  /** Tells the person. */
  readonly say: (line: string) => void
  /** Sends a `check` on a connection of its own; undefined: the call has a fixed deadline. */
  readonly check: ((timeoutMs: number) => Promise<Replies['check']>) | undefined
  /** Ends the call. */
  readonly fail: (error: AgentError) => void
  /** Aborted when the call has ended. */
  readonly ended: AbortSignal
}

/**
 * Watches a call that takes long: tells the person, and then checks every 20 s that the agent still works on
 * the request. An agent that answers no check, or no longer knows the request, ends the call after 60 s
 * (protocol.md §1.6). One that answers without the extension, as the C agent, is left its time.
 */
export async function watchWait({ times, say, check, fail, ended }: LongWait): Promise<void> {
  if (ended.aborted) return
  say('Waiting for oidc-agent, which has not answered yet …')
  if (check === undefined) return
  let silentUntil = times.silentMs
  let reported: string | undefined
  const report = (line: string): void => {
    if (line !== reported) say(line)
    reported = line
  }
  await pause(times.checkMs - times.noticeMs, ended)
  for (let now = times.checkMs; !ended.aborted; now += times.checkMs) {
    const until = Math.min(now + times.checkMs, silentUntil)
    const next = pause(until - now, ended)
    const state = await stateBy(check, until - now)
    if (ended.aborted || state === 'no extension') return
    if (state === 'person') report('oidc-agent waits for a person: answer the question it asks.')
    if (state === 'silent') report('oidc-agent does not answer a check either.')
    if (state === 'person' || state === 'running') silentUntil = now + times.silentMs
    await next
    if (until === silentUntil) fail(hangs(times.silentMs, state))
  }
}

type State = 'person' | 'running' | 'unknown' | 'silent' | 'no extension'

async function stateBy(check: NonNullable<LongWait['check']>, timeoutMs: number): Promise<State> {
  try {
    return (await check(timeoutMs)).request_state ?? 'no extension'
  } catch {
    return 'silent'
  }
}

/** Resolves after a time, or when the call has ended. */
function pause(milliseconds: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      ended.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    timer.unref()
    if (ended.aborted) done()
    else ended.addEventListener('abort', done)
  })
}

function hangs(silentMs: number, state: State): AgentError {
  const seconds = silentMs / 1000
  if (state === 'unknown') {
    return new AgentError(
      'agent-timeout',
      `oidc-agent did not answer within ${seconds} s, and no longer knows the request`,
      { hint: 'Try again.' },
    )
  }
  return new AgentError(
    'agent-timeout',
    `oidc-agent did not answer within ${seconds} s, nor to a check in this time`,
    {
      hint: 'It is suspended, or it hangs, or the way to it does (ssh, a relay). If it is suspended, resume it:\n\t$ kill -CONT "$OIDCD_PID"\nOtherwise end it with oidc-agent -k and start another one. An agent of the C version answers nobody while it asks a person; --timeout=SECONDS waits longer.',
    },
  )
}
