import type { IncomingMessage, ServerResponse } from 'node:http'
import { authorization } from './endpoints/authorization.ts'
import { deviceAuthorization, verification } from './endpoints/device.ts'
import { discovery, jwks } from './endpoints/discovery.ts'
import { introspection, revocation, userinfo } from './endpoints/introspection.ts'
import { registeredClient, registration } from './endpoints/registration.ts'
import { token } from './endpoints/token.ts'
import { applyFaults, delay, type Fault, type Faults, takesEffect } from './faults.ts'
import { type Endpoint, type Provider, secondsNow } from './provider.ts'
import { type Ledger, type ReceivedRequest, receive } from './requests.ts'
import { empty, type HttpResponse, OAuthError } from './response.ts'
import type { EndpointName } from './settings.ts'

const endpoints: Readonly<
  Record<EndpointName, { readonly methods: readonly string[]; readonly handle: Endpoint }>
> = {
  discovery: { methods: ['GET'], handle: discovery },
  jwks: { methods: ['GET'], handle: jwks },
  authorization: { methods: ['GET', 'POST'], handle: authorization },
  token: { methods: ['POST'], handle: token },
  device: { methods: ['POST'], handle: deviceAuthorization },
  verification: { methods: ['GET', 'POST'], handle: verification },
  registration: { methods: ['POST'], handle: registration },
  'registered-client': { methods: ['GET', 'PUT', 'DELETE'], handle: registeredClient },
  revocation: { methods: ['POST'], handle: revocation },
  introspection: { methods: ['POST'], handle: introspection },
  userinfo: { methods: ['GET', 'POST'], handle: userinfo },
}

/** A provider, the requests it has received, and the faults of its responses. */
export interface Service {
  readonly provider: Provider
  readonly ledger: Ledger
  readonly faults: Faults
  /** Ends the connection of a request by RST. */
  readonly reset: (message: IncomingMessage) => void
}

/** Answers one request: reads and records it, handles it, applies the planned faults, sends the response. */
export async function serve(
  service: Service,
  message: IncomingMessage,
  out: ServerResponse,
): Promise<void> {
  const { provider, ledger } = service
  const request = await receive(message, (path) => endpointAt(provider, path))
  const closed = new AbortController()
  out.once('close', ledger.enter(request))
  out.once('close', () => {
    closed.abort()
  })
  const planned = service.faults.take(request.endpoint)
  const faults = planned?.faults ?? []
  if (planned?.afterEffect !== true) await delay(faults, closed.signal)
  const response = takesEffect(planned) ? await responseTo(provider, request) : empty(200)
  if (planned?.afterEffect === true) await delay(faults, closed.signal)
  send(service, message, out, { response: applyFaults(provider, response, faults), faults })
}

async function responseTo(provider: Provider, request: ReceivedRequest): Promise<HttpResponse> {
  if (request.endpoint === undefined) return empty(404)
  const { methods, handle } = endpoints[request.endpoint]
  if (!methods.includes(request.method)) return empty(405)
  try {
    return await handle(provider, request)
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    return error.response
  }
}

function send(
  { provider, reset }: Service,
  message: IncomingMessage,
  out: ServerResponse,
  { response, faults }: { response: HttpResponse; faults: readonly Fault[] },
): void {
  const kinds = faults.map(({ kind }) => kind)
  if (kinds.includes('reset')) {
    reset(message)
    return
  }
  if (out.destroyed || kinds.includes('hang-before-headers')) return
  const isObject = typeof response.body === 'object'
  const body = Buffer.from(isObject ? JSON.stringify(response.body) : (response.body ?? ''))
  out.sendDate = false
  out.writeHead(response.status, {
    date: new Date(secondsNow(provider) * 1000).toUTCString(),
    ...(isObject ? { 'content-type': 'application/json' } : {}),
    'content-length': body.length,
    ...response.headers,
  })
  const isCut = kinds.includes('hang-after-headers') || kinds.includes('reset-after-headers')
  if (!isCut) {
    out.end(body)
    return
  }
  const firstHalf = body.subarray(0, Math.floor(body.length / 2))
  out.write(firstHalf, () => {
    if (kinds.includes('reset-after-headers')) reset(message)
  })
}

function endpointAt({ settings }: Provider, path: string): EndpointName | undefined {
  const names = Object.keys(endpoints) as EndpointName[]
  const exact = names.find((name) => settings.paths[name] === path)
  if (exact !== undefined) return exact
  const registered = settings.paths.registration
  const isBelow = registered !== undefined && path.startsWith(`${registered}/`)
  return isBelow ? 'registered-client' : undefined
}
