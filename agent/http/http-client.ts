import { AgentError } from '../../protocol/wire/errors.ts'
import { startDeadline } from './abort.ts'
import type { ConnectionPools } from './connection-pools.ts'
import { networkError, type Timeouts } from './network-error.ts'
import { checkUrl, type Trust, urlOf } from './url-policy.ts'

/** Largest answer that is read. Discovery documents have some 10 kB; tokens are smaller. */
const MAX_RESPONSE_BYTES = 1 << 20

export interface HttpRequest {
  readonly url: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

export interface HttpResponse {
  readonly url: URL
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface HttpClientOptions {
  readonly timeouts: Timeouts
  readonly userAgent: string
  readonly connections: () => Promise<ConnectionPools>
}

/**
 * One HTTP exchange with a provider: over TLS, within a deadline, no redirect followed, the answer
 * bounded. Everything that goes wrong on the way is an AgentError; a status is not judged here.
 */
export class HttpClient {
  readonly #options: HttpClientOptions

  constructor(options: HttpClientOptions) {
    this.#options = options
  }

  async send(request: HttpRequest, trust: Trust, signal: AbortSignal): Promise<HttpResponse> {
    const url = urlOf(request.url)
    checkUrl(url, trust)
    const { timeouts, userAgent, connections } = this.#options
    const deadline = startDeadline(timeouts.totalMs, signal)
    try {
      const { method, body } = request
      const response = await (await connections()).send(
        url,
        {
          method,
          headers: { ...request.headers, 'user-agent': userAgent, ...lengthOf(body) },
          body,
          signal: deadline.signal,
        },
        trust.certPath,
      )
      return {
        url,
        status: response.statusCode ?? 0,
        headers: oneLineEach(response.headers),
        body: await bounded(response, url),
      }
    } catch (error) {
      throw await networkError(error, { url, timeouts, timedOut: deadline.passed(), signal })
    } finally {
      deadline.end()
    }
  }
}

function lengthOf(body: string | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
}

/** Reads no further than the bound, whatever length was announced. */
async function bounded(chunks: AsyncIterable<Buffer>, url: URL): Promise<string> {
  const read: Buffer[] = []
  let bytes = 0
  // Leaving the loop ends the connection.
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > MAX_RESPONSE_BYTES) {
      throw new AgentError('provider-answer', `${url.host} answered with more than 1 MiB`)
    }
    read.push(chunk)
  }
  // Drops a byte order mark, at which JSON.parse would stumble.
  return new TextDecoder().decode(Buffer.concat(read))
}

function oneLineEach(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const lines: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) lines[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return lines
}
