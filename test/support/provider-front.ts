import { IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { registrable } from './wlcg-scopes.ts'

/** A request, received completely. */
interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly userAgent: string | undefined
  readonly body: string
  /** The parameters of a form body. */
  readonly form: Readonly<Record<string, string>>
}

/** The requests that the provider has received. */
export interface Counters {
  /** Token requests per `grant_type`, including those without a response. */
  readonly tokenRequests: Record<string, number>
  /** The maximum number of token requests in progress at the same time. */
  mostAtOnce: number
  /** The last {@link KEPT_REQUESTS} requests, oldest first. */
  readonly requests: RecordedRequest[]
}

/** What a test may change while the provider runs. */
export interface FrontSettings {
  /** Additional latency of the token endpoint, milliseconds. */
  latencyMs: number
  /** Called first for every request; true: it has sent the response, or leaves the client waiting. */
  onRequest: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => Promise<void>

const KEPT_REQUESTS = 500
const TOKEN_PATH = '/token'
const REGISTRATION_PATH = '/reg'

export function newCounters(): Counters {
  return { tokenRequests: {}, mostAtOnce: 0, requests: [] }
}

/** The listener in front of the provider: reads each request completely, counts it, delays or intercepts it. */
export function providerFront(
  counters: Counters,
  settings: FrontSettings,
  handle: Handler,
): (request: IncomingMessage, response: ServerResponse) => void {
  let atOnce = 0
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // As nginx does in front of an IAM: an issuer that ends in a slash makes clients send two.
    request.url = request.url?.replace(/^\/{2,}/, '/')
    const body = await bodyOf(request)
    const recorded = record(counters, request, body)
    if (recorded.path !== TOKEN_PATH) {
      if (settings.onRequest?.(request, response) !== true) await handle(request, response, body)
      return
    }
    atOnce += 1
    response.once('close', () => {
      atOnce -= 1
    })
    counters.mostAtOnce = Math.max(counters.mostAtOnce, atOnce)
    if (settings.onRequest?.(request, response) === true) return
    if (settings.latencyMs > 0) await wait(settings.latencyMs)
    await handle(request, response, body)
  }
  return (request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) return
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error))
    })
  }
}

/** A copy of the request with an unread body, for oidc-provider. */
export function again(request: IncomingMessage, body: string): IncomingMessage {
  const sent = request.url === REGISTRATION_PATH ? registration(body) : body
  const copy = new IncomingMessage(request.socket)
  copy.method = request.method
  copy.url = request.url
  copy.httpVersion = request.httpVersion
  copy.headers = { ...request.headers }
  if (request.method !== 'GET') copy.headers['content-length'] = String(Buffer.byteLength(sent))
  delete copy.headers['transfer-encoding']
  copy.complete = true
  copy.push(sent)
  copy.push(null)
  return copy
}

/**
 * oidc-provider refuses a registration with scopes it does not list; IAM drops them (wlcg.md §6). It
 * takes redirect URIs of other schemes, as the C oidc-gen has one, from native clients only; IAM from all.
 */
function registration(body: string): string {
  const metadata: unknown = JSON.parse(body)
  if (typeof metadata !== 'object' || metadata === null || !('scope' in metadata)) return body
  const scope = registrable(String(metadata.scope))
  return JSON.stringify({ ...metadata, scope, application_type: 'native' })
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function record(counters: Counters, request: IncomingMessage, body: string): RecordedRequest {
  const path = (request.url ?? '').split('?')[0] ?? ''
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')
  const recorded = {
    method: request.method ?? '',
    path,
    authorization: request.headers.authorization,
    userAgent: request.headers['user-agent'],
    body,
    form: isForm === true ? Object.fromEntries(new URLSearchParams(body)) : {},
  }
  counters.requests.push(recorded)
  if (counters.requests.length > KEPT_REQUESTS) counters.requests.shift()
  if (path === TOKEN_PATH) {
    const grant = recorded.form['grant_type'] ?? 'none'
    counters.tokenRequests[grant] = (counters.tokenRequests[grant] ?? 0) + 1
  }
  return recorded
}
