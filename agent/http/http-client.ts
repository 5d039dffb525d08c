import type { IncomingMessage } from 'node:http'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { providerText } from '../../protocol/wire/text.ts'
import { raceAbort, startDeadline } from '../concurrency.ts'
import { cancelled, networkError, type Timeouts } from './network-error.ts'

/** Largest body that is read. A discovery document has about 10 kB; token responses are smaller. */
const MAX_RESPONSE_BYTES = 1 << 20

/** How long a response is awaited that must not be lost, in milliseconds. Gateways give up after a minute or two. */
const LATE_RESPONSE_MS = 300_000

export interface HttpRequest {
  readonly url: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly recovery?: ResponseRecovery | undefined
}

/** For a request whose response must not be lost: it may hold the only copy of a new refresh token. */
export interface ResponseRecovery {
  /**
   * Called with each response, also with one that `send` does not return because it is late or because
   * the connection was cut. The body of the latter ends where the connection was cut.
   */
  readonly received: (response: HttpResponse) => void
  /**
   * If given, `send` fails in time as always, but the exchange goes on for up to five minutes. Called
   * then; `end` resolves when the response has been received or has failed.
   */
  readonly late?: ((end: Promise<void>) => void) | undefined
}

export interface HttpResponse {
  readonly url: URL
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A request as the transport sends it. */
export interface OutgoingRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly signal: AbortSignal
}

/** The connections that requests go through. */
export interface Transport {
  /** Sends a request and resolves with the head of the response. Rejects with Node's own errors. */
  readonly send: (
    url: URL,
    request: OutgoingRequest,
    certPath: string | undefined,
  ) => Promise<IncomingMessage>
}

export interface HttpClientOptions {
  readonly timeouts: Timeouts
  readonly userAgent: string
  readonly transport: () => Promise<Transport>
}

/**
 * One HTTP exchange with a provider: over TLS, within a deadline, without following redirects, with a
 * bound on the body. The status is not judged here.
 */
export class HttpClient {
  readonly #options: HttpClientOptions

  constructor(options: HttpClientOptions) {
    this.#options = options
  }

  /**
   * @throws AgentError `bad-request` or `insecure-url` before anything is sent; `network`, `tls`,
   *   `provider-timeout` or `cancelled` if there is no response; `provider-answer` if its body exceeds 1 MiB
   *   or cannot be decompressed.
   */
  async send(request: HttpRequest, trust: Trust, signal: AbortSignal): Promise<HttpResponse> {
    const url = urlOf(request.url)
    checkUrl(url, trust)
    const { timeouts } = this.#options
    const late = request.recovery?.late
    // Such an exchange is not aborted any more once it has begun.
    if (late !== undefined && signal.aborted) throw cancelled(signal)
    const deadline = startDeadline(timeouts.totalMs, signal)
    const exchange =
      late === undefined
        ? this.#exchange(request, url, trust, deadline.signal)
        : this.#longExchange(request, url, trust)
    try {
      return await raceAbort(exchange, deadline.signal)
    } catch (error) {
      if (deadline.signal.aborted) late?.(ended(exchange))
      throw await networkError(error, { url, timeouts, timedOut: deadline.passed(), signal })
    } finally {
      deadline.end()
    }
  }

  async #longExchange(request: HttpRequest, url: URL, trust: Trust): Promise<HttpResponse> {
    const deadline = startDeadline(LATE_RESPONSE_MS, new AbortController().signal)
    try {
      return await this.#exchange(request, url, trust, deadline.signal)
    } finally {
      deadline.end()
    }
  }

  async #exchange(
    request: HttpRequest,
    url: URL,
    trust: Trust,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const { method, body, recovery } = request
    const headers = {
      // Compression is not worth its faults: a token response has 2 kB.
      'accept-encoding': 'identity',
      ...request.headers,
      'user-agent': this.#options.userAgent,
      ...lengthOf(body),
    }
    const transport = await this.#options.transport()
    const incoming = await transport.send(url, { method, headers, body, signal }, trust.certPath)
    const head = {
      url,
      status: incoming.statusCode ?? 0,
      headers: joinedHeaders(incoming.headers),
    }
    const chunks: Buffer[] = []
    try {
      await readBody(incoming, chunks, url)
    } catch (error) {
      if (recovery !== undefined) {
        const text = await bodyText(chunks, head).catch(() => '')
        recovery.received({ ...head, body: text })
      }
      throw error
    }
    const response = { ...head, body: await bodyText(chunks, head) }
    recovery?.received(response)
    return response
  }
}

async function ended(exchange: Promise<HttpResponse>): Promise<void> {
  await exchange.catch(() => undefined)
}

function lengthOf(body: string | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
}

/** Reads the body into `read` up to the bound, whatever length its header announced. */
async function readBody(chunks: AsyncIterable<Buffer>, read: Buffer[], url: URL): Promise<void> {
  let bytes = 0
  // Leaving the loop closes the connection.
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > MAX_RESPONSE_BYTES) {
      throw new AgentError('provider-answer', `${url.host} answered with more than 1 MiB`)
    }
    read.push(chunk)
  }
}

/** The text of a body, without its content codings (RFC 9110 §8.4), which some servers apply unasked. */
async function bodyText(
  chunks: readonly Buffer[],
  { url, headers }: Pick<HttpResponse, 'url' | 'headers'>,
): Promise<string> {
  let content: Buffer = Buffer.concat(chunks)
  const codings = (headers['content-encoding'] ?? '').toLowerCase().split(/[\s,]+/)
  for (const coding of codings.reverse()) {
    if (coding === '' || coding === 'identity') continue
    content = await decompressed(content, coding, url)
  }
  // Removes a byte order mark, which JSON.parse does not accept.
  return new TextDecoder().decode(content)
}

/** Content without one coding; of truncated content, as much as there is. */
async function decompressed(content: Buffer, coding: string, url: URL): Promise<Buffer> {
  const { brotliDecompressSync, constants, inflateRawSync, unzipSync } = await import('node:zlib')
  const options = {
    maxOutputLength: MAX_RESPONSE_BYTES,
    finishFlush: coding === 'br' ? constants.BROTLI_OPERATION_FLUSH : constants.Z_SYNC_FLUSH,
  }
  try {
    if (coding === 'br') return brotliDecompressSync(content, options)
    if (coding === 'gzip' || coding === 'x-gzip') return unzipSync(content, options)
    // Some servers send `deflate` without the zlib header that RFC 9110 §8.4.1.2 requires.
    if (coding === 'deflate') {
      const hasHeader = content.length > 1 && content.readUInt16BE(0) % 31 === 0
      return hasHeader ? unzipSync(content, options) : inflateRawSync(content, options)
    }
  } catch (cause) {
    const message = `${url.host} answered with a body that cannot be decompressed`
    throw new AgentError('provider-answer', message, { cause })
  }
  throw new AgentError(
    'provider-answer',
    `${url.host} answered with the content coding ${providerText(coding, [])}, which was not requested`,
  )
}

function joinedHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const joined: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return joined
}

/**
 * Seconds until the provider accepts the next request (`Retry-After`, RFC 9110 §10.2.3): a number, or a
 * date, which is compared with the provider's own clock. Undefined if the header is absent or malformed.
 */
export function retryAfterSeconds({ headers }: Pick<HttpResponse, 'headers'>): number | undefined {
  const { 'retry-after': text, date } = headers
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text.trim())) return Number(text)
  const milliseconds = Date.parse(text) - Date.parse(date ?? '')
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, Math.ceil(milliseconds / 1000))
}

/** Our clock minus the provider's, in seconds; undefined if the response has no `Date` header. */
export function clockSkewOf(
  { headers }: Pick<HttpResponse, 'headers'>,
  nowMs: number,
): number | undefined {
  const theirs = Date.parse(headers['date'] ?? '')
  // The header has whole seconds, rounded down.
  return Number.isNaN(theirs) ? undefined : Math.floor(nowMs / 1000) - theirs / 1000
}

/** Which certificates to trust for a provider, and whether plain http is allowed. */
export interface Trust {
  readonly certPath: string | undefined
  readonly plainHttp: boolean
}

/** Plain http is allowed only if the issuer or configuration endpoint itself begins with `http://`. */
export function trustFor(provider: ProviderConfig): Trust {
  const written = configEndpointOf(provider) ?? provider.issuer
  return { certPath: provider.certPath, plainHttp: written.startsWith('http://') }
}

/** `(null)` is what the C oidc-gen 5.x sends for "unset" (protocol.md §2.4, scopes). */
export function configEndpointOf({ configEndpoint }: ProviderConfig): string | undefined {
  return configEndpoint === '' || configEndpoint === '(null)' ? undefined : configEndpoint
}

/**
 * Parses a URL.
 * @throws AgentError `bad-request` if `text` is not a URL.
 */
export function urlOf(text: string): URL {
  if (URL.canParse(text)) return new URL(text)
  throw new AgentError('bad-request', `'${text}' is not a URL`)
}

/**
 * Refuses a URL to which secrets would go unencrypted.
 * @throws AgentError `insecure-url`
 */
export function checkUrl(url: URL, { plainHttp }: Trust): void {
  if (url.protocol === 'https:') return
  if (url.protocol === 'http:' && plainHttp && isLoopback(url.hostname)) return
  throw new AgentError(
    'insecure-url',
    `Refusing ${url.protocol}//${url.host}: providers must use https (plain http is allowed only for localhost).`,
  )
}

/** Whether the host name of a URL is a loopback address of this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)
}
