import { AgentError } from '../../protocol/wire/errors.ts'
import { abortReason, type Runtime, raceAbort, startTimer } from '../concurrency.ts'

/** Most passwords that wait, are derived, or were wrong within the last {@link SLOT_MS}. */
const SLOTS = 5
/** How long a wrong password keeps its slot, milliseconds: at most five guesses in this time. */
const SLOT_MS = 10_000
/** The reply to the n-th wrong password in a row waits 100 ms × n², at most 10 s, as ssh-agent does. */
const DELAY_STEP_MS = 100
const LONGEST_DELAY_MS = 10_000

interface Slot {
  /** When the slot becomes free, milliseconds since 1970; undefined while the password is being tried. */
  freeAt: number | undefined
}

/**
 * Bounds the guesses of the lock password. Passwords are derived one at a time, in order of arrival; a
 * wrong one keeps its slot for a while, whether its client waits or not. So many connections guess no
 * faster than one, and a client that left while it waited costs the owner nothing.
 */
export class UnlockSlots {
  readonly #runtime: Runtime
  readonly #slots = new Set<Slot>()
  readonly #waiting: (() => void)[] = []
  #isDeriving = false
  #failures = 0

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /**
   * The result of `tryPassword`, which runs alone. After a wrong password the error comes with a delay.
   * @param signal aborted when the client has gone: an attempt that has not begun is dropped
   * @throws AgentError `agent-busy` at once if all slots are taken; the errors of `tryPassword`
   */
  async run<T>(tryPassword: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const slot = this.#take()
    try {
      await this.#turn(signal)
    } catch (error) {
      this.#slots.delete(slot)
      throw error
    }
    try {
      const result = await tryPassword()
      this.#failures = 0
      this.#slots.delete(slot)
      return result
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'wrong-password') {
        this.#slots.delete(slot)
        throw error
      }
      this.#keep(slot)
      this.#endTurn()
      await this.#delay(signal)
      throw error
    } finally {
      if (slot.freeAt === undefined) this.#endTurn()
    }
  }

  #take(): Slot {
    if (this.#slots.size >= SLOTS) throw this.#full()
    const slot: Slot = { freeAt: undefined }
    this.#slots.add(slot)
    return slot
  }

  #full(): AgentError {
    const now = this.#runtime.now()
    // A password that is being tried may be wrong: then its slot is free SLOT_MS later.
    const freeAt = [...this.#slots].map((slot) => slot.freeAt ?? now + SLOT_MS)
    const seconds = Math.max(Math.ceil((Math.min(...freeAt) - now) / 1000), 1)
    return new AgentError(
      'agent-busy',
      `too many attempts to unlock the agent: try again in ${seconds} s`,
      { hint: `The agent tries at most ${SLOTS} passwords in ${SLOT_MS / 1000} s.` },
    )
  }

  /** Resolves when no other password is being derived. */
  async #turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw abortReason(signal)
    if (!this.#isDeriving) {
      this.#isDeriving = true
      return
    }
    await new Promise<void>((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1)
        reject(abortReason(signal))
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.push(begin)
    })
  }

  #endTurn(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#isDeriving = false
    else next()
  }

  #keep(slot: Slot): void {
    slot.freeAt = this.#runtime.now() + SLOT_MS
    startTimer(this.#runtime, slot.freeAt, () => this.#slots.delete(slot))
  }

  async #delay(signal: AbortSignal): Promise<void> {
    this.#failures += 1
    const milliseconds = Math.min(DELAY_STEP_MS * this.#failures ** 2, LONGEST_DELAY_MS)
    // An agent that ends does not wait for it.
    const over = new Promise<void>((resolve) => void setTimeout(resolve, milliseconds).unref())
    await raceAbort(over, signal)
  }
}
