import type { EndpointName } from './behaviour.ts'
import type { ReceivedRequest } from './received-request.ts'

/** What was asked of the provider so far. */
export interface Counters {
  readonly requests: Readonly<Partial<Record<EndpointName, number>>>
  /** Token requests per `grant_type`, answered or not. */
  readonly grants: Readonly<Record<string, number>>
  /** The most token requests that were open at the same time. */
  readonly mostTokenRequestsAtOnce: number
}

interface Waiter {
  readonly endpoint: EndpointName
  readonly count: number
  readonly resolve: () => void
}

/** Every request, in the order in which they had come in whole. */
export class Ledger {
  readonly requests: ReceivedRequest[] = []
  #open = 0
  #most = 0
  #waiters: Waiter[] = []

  /** Writes a request down; the function it returns says that its connection is done with it. */
  enter(request: ReceivedRequest): () => void {
    this.requests.push(request)
    this.#wake()
    if (request.endpoint !== 'token') return () => undefined
    this.#open += 1
    this.#most = Math.max(this.#most, this.#open)
    return () => {
      this.#open -= 1
    }
  }

  /** Resolves when the endpoint has been asked so many times in all. */
  received(endpoint: EndpointName, count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push({ endpoint, count, resolve })
      this.#wake()
    })
  }

  to(endpoint: EndpointName): readonly ReceivedRequest[] {
    return this.requests.filter((one) => one.endpoint === endpoint)
  }

  get counters(): Counters {
    return {
      requests: counted(this.requests.map(({ endpoint }) => endpoint)),
      grants: counted(this.to('token').map(({ form }) => form['grant_type'] ?? 'none')),
      mostTokenRequestsAtOnce: this.#most,
    }
  }

  #wake(): void {
    const isReady = ({ endpoint, count }: Waiter): boolean => this.to(endpoint).length >= count
    const ready = this.#waiters.filter(isReady)
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter))
    for (const { resolve } of ready) resolve()
  }
}

function counted(names: readonly (string | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
