import type { IncomingMessage } from 'node:http'
import type { Fields } from './response.ts'
import type { EndpointName } from './settings.ts'

/** A request, received completely. */
export interface ReceivedRequest {
  /** Undefined for a path without an endpoint. */
  readonly endpoint: EndpointName | undefined
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** The parameters of a form body, for comparing; of a repeated parameter the last. */
  readonly form: Readonly<Record<string, string>>
  /** The parameters of a form body, with repetitions. */
  readonly fields: URLSearchParams
  /** The JSON object in the body, if it is one. */
  readonly json: Fields | undefined
}

/** Reads a request to its end. */
export async function receive(
  message: IncomingMessage,
  endpointAt: (path: string) => EndpointName | undefined,
): Promise<ReceivedRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString()
  // Joined as text: as a relative reference, //.well-known would be a host.
  const url = new URL(`https://provider.invalid${message.url ?? '/'}`)
  // An issuer that ends in a slash makes some clients request //.well-known; the proxies in front of
  // real providers merge the two.
  const path = url.pathname.replace(/\/{2,}/g, '/')
  const type = message.headers['content-type'] ?? ''
  const isForm = type.startsWith('application/x-www-form-urlencoded')
  const fields = new URLSearchParams(isForm ? body : '')
  return {
    endpoint: endpointAt(path),
    method: message.method ?? '',
    path,
    query: url.searchParams,
    headers: single(message.headers),
    body,
    form: Object.fromEntries(fields),
    fields,
    json: type.startsWith('application/json') ? objectIn(body) : undefined,
  }
}

/** The JSON object in a text; undefined if the text is anything else. */
export function objectIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function single(headers: IncomingMessage['headers']): ReceivedRequest['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  )
}

/** The number of requests that the provider has received. */
export interface Counters {
  readonly requests: Readonly<Partial<Record<EndpointName, number>>>
  /** Token requests per `grant_type`, including those without a response. */
  readonly grants: Readonly<Record<string, number>>
  /** The maximum number of token requests in progress at the same time. */
  readonly mostTokenRequestsAtOnce: number
}

interface Waiter {
  readonly endpoint: EndpointName
  readonly count: number
  readonly resolve: () => void
}

/** Every request, in the order in which they were received completely. */
export class Ledger {
  readonly requests: ReceivedRequest[] = []
  #open = 0
  #most = 0
  #waiters: Waiter[] = []

  /** Records a request. The caller calls the returned function when the response has been sent. */
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

  /** Resolves when the endpoint has received `count` requests in all. */
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
