import type { AgentError } from '../protocol/wire/errors.ts'

/** A connection as the table sees it. */
export interface TableEntry {
  /** The process at the other end; 0 where the kernel does not tell. */
  readonly pid: number
  /** Whether its whole request has arrived: from then on it is served to its end. */
  readonly hasRequest: boolean
  /** Ends the connection with `reason` as its reply. */
  refuse(reason: AgentError): void
}

/**
 * The connections that the agent holds, at most `limit`. When there is one too many, the process that
 * holds the most gives up its oldest connection without a whole request. There is no bound for each process:
 * an ssh relay or a container is one process for many clients.
 */
export class ConnectionTable {
  readonly #limit: number
  readonly #full: () => AgentError
  /** By pid, each in the order in which they came. */
  readonly #held = new Map<number, Set<TableEntry>>()
  #size = 0

  /** @param full makes the reply for a connection that has to go */
  constructor(limit: number, full: () => AgentError) {
    this.#limit = limit
    this.#full = full
  }

  get size(): number {
    return this.#size
  }

  /** Takes a connection in; where it is one too many, one connection is ended, perhaps this one. */
  add(entry: TableEntry): void {
    const held = this.#held.get(entry.pid) ?? new Set()
    this.#held.set(entry.pid, held.add(entry))
    this.#size += 1
    if (this.#size <= this.#limit) return
    const last = this.#oldestIdle() ?? entry
    // Out of the table at once: its end takes a moment, in which more may come.
    this.delete(last)
    last.refuse(this.#full())
  }

  delete(entry: TableEntry): void {
    const held = this.#held.get(entry.pid)
    if (held?.delete(entry) !== true) return
    this.#size -= 1
    if (held.size === 0) this.#held.delete(entry.pid)
  }

  /** Of the process with the most connections that has one without a whole request. */
  #oldestIdle(): TableEntry | undefined {
    const processes = [...this.#held.values()].sort((one, other) => other.size - one.size)
    for (const held of processes) {
      for (const entry of held) if (!entry.hasRequest) return entry
    }
    return undefined
  }
}
