import { setTimeout as pause } from 'node:timers/promises'
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
export async function watchWait(wait: LongWait): Promise<void> {
  const { say, check, ended } = wait
  try {
    ended.throwIfAborted()
    say('Waiting for oidc-agent, which has not answered yet …')
    if (check !== undefined) await checkUntilSilent(wait, check)
  } catch (error) {
    if (!ended.aborted) throw error
  }
}

type Check = NonNullable<LongWait['check']>
type State = 'person' | 'running' | 'unknown' | 'silent' | 'no extension'

const words: Readonly<Partial<Record<State, string>>> = {
  person: 'oidc-agent waits for a person: answer the question it asks.',
  silent: 'oidc-agent does not answer a check either.',
}

async function checkUntilSilent(
  { times, say, fail, ended }: LongWait,
  check: Check,
): Promise<void> {
  const sleep = (milliseconds: number): Promise<void> =>
    pause(milliseconds, undefined, { signal: ended, ref: false })
  let state: State | undefined
  let silentUntil = times.silentMs
  await sleep(times.checkMs - times.noticeMs)
  for (let now = times.checkMs; now < silentUntil; ) {
    const next = Math.min(now + times.checkMs, silentUntil)
    const period = sleep(next - now).catch(() => undefined)
    const found = await stateBy(check, next - now)
    ended.throwIfAborted()
    if (found === 'no extension') return
    const word = found === state ? undefined : words[found]
    if (word !== undefined) say(word)
    if (found === 'person' || found === 'running') silentUntil = now + times.silentMs
    state = found
    await period
    now = next
  }
  fail(hangs(times.silentMs, state))
}

async function stateBy(check: Check, timeoutMs: number): Promise<State> {
  try {
    return (await check(timeoutMs)).request_state ?? 'no extension'
  } catch {
    return 'silent'
  }
}

function hangs(silentMs: number, state: State | undefined): AgentError {
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
