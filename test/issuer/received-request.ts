import type { IncomingMessage } from 'node:http'
import type { EndpointName } from './behaviour.ts'
import type { Fields } from './response.ts'

/** A request as it came in, whole. */
export interface ReceivedRequest {
  /** Undefined where the provider has nothing. */
  readonly endpoint: EndpointName | undefined
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** The body as a form, where it was one, for comparing; of a repeated field the last. */
  readonly form: Readonly<Record<string, string>>
  /** The same with repetitions. */
  readonly fields: URLSearchParams
  /** The body as a JSON object, where it was one. */
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
  // An issuer that ends in a slash makes some clients ask for //.well-known; the proxies that stand
  // before real providers merge the two.
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

/** The object a text holds, if it does. */
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
