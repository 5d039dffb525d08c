/*
 * The part of `Headers` and `Response` (Fetch Standard §5) with which openid-client checks a response that has
 * arrived over node:https. The bundle of the agent has them in place of the global classes, since the first
 * use of one of those loads Node's copy of undici: 5.6 MB, measured.
 */

type HeadersInit = Headers | Readonly<Record<string, string>>

/** Names and values; names are compared without case. */
export class Headers {
  readonly #values = new Map<string, string>()

  constructor(init: HeadersInit = {}) {
    const entries = init instanceof Headers ? init.entries() : Object.entries(init)
    for (const [name, value] of entries) this.set(name, value)
  }

  get(name: string): string | null {
    return this.#values.get(name.toLowerCase()) ?? null
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase())
  }

  set(name: string, value: string): void {
    this.#values.set(name.toLowerCase(), value)
  }

  entries(): IterableIterator<[string, string]> {
    return this.#values.entries()
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries()
  }
}

/** A successful response whose body is JSON, to be read once. */
export class Response {
  readonly status = 200
  readonly headers = new Headers({ 'content-type': 'application/json' })
  readonly #content: unknown
  #isRead = false

  private constructor(content: unknown) {
    this.#content = content
  }

  static json(content: unknown): Response {
    return new Response(content)
  }

  get bodyUsed(): boolean {
    return this.#isRead
  }

  json(): Promise<unknown> {
    if (this.#isRead) return Promise.reject(new TypeError('the body was read before'))
    this.#isRead = true
    return Promise.resolve(structuredClone(this.#content))
  }
}
