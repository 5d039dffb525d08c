import type { IncomingMessage, ServerResponse } from 'node:http'
import { altered, delay, isCarriedOut } from './apply-faults.ts'
import type { EndpointName } from './behaviour.ts'
import { authorization } from './endpoints/authorization.ts'
import { deviceAuthorization } from './endpoints/device-authorization.ts'
import { discovery } from './endpoints/discovery.ts'
import { introspection } from './endpoints/introspection.ts'
import { jwks } from './endpoints/jwks.ts'
import { registeredClient } from './endpoints/registered-client.ts'
import { registration } from './endpoints/registration.ts'
import { revocation } from './endpoints/revocation.ts'
import { token } from './endpoints/token.ts'
import { userinfo } from './endpoints/userinfo.ts'
import { verification } from './endpoints/verification.ts'
import { Refused } from './error-responses.ts'
import type { Fault, Faults } from './faults.ts'
import type { Ledger } from './ledger.ts'
import { type Endpoint, type Provider, secondsNow } from './provider.ts'
import { type ReceivedRequest, receive } from './received-request.ts'
import { type Answer, empty } from './response.ts'

const endpoints: Readonly<
  Record<EndpointName, { readonly methods: readonly string[]; readonly answer: Endpoint }>
> = {
  discovery: { methods: ['GET'], answer: discovery },
  jwks: { methods: ['GET'], answer: jwks },
  authorization: { methods: ['GET', 'POST'], answer: authorization },
  token: { methods: ['POST'], answer: token },
  device: { methods: ['POST'], answer: deviceAuthorization },
  verification: { methods: ['GET', 'POST'], answer: verification },
  registration: { methods: ['POST'], answer: registration },
  'registered-client': { methods: ['GET', 'PUT', 'DELETE'], answer: registeredClient },
  revocation: { methods: ['POST'], answer: revocation },
  introspection: { methods: ['POST'], answer: introspection },
  userinfo: { methods: ['GET', 'POST'], answer: userinfo },
}

/** What a provider needs to answer over the network. */
export interface Service {
  readonly provider: Provider
  readonly ledger: Ledger
  readonly faults: Faults
  /** Ends the connection of a request by RST. */
  readonly reset: (message: IncomingMessage) => void
}

/** Answers one request: read, write down, carry out, spoil as planned, send. */
export async function serve(
  service: Service,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { provider, ledger, faults } = service
  const request = await receive(message, (path) => endpointAt(provider, path))
  const gone = new AbortController()
  response.once('close', ledger.enter(request))
  response.once('close', () => {
    gone.abort()
  })
  const applyFaults = faults.take(request.endpoint)
  const spoilt = applyFaults?.faults ?? []
  if (applyFaults?.afterEffect !== true) await delay(spoilt, gone.signal)
  const answer = isCarriedOut(applyFaults) ? await answerTo(provider, request) : empty(200)
  if (applyFaults?.afterEffect === true) await delay(spoilt, gone.signal)
  deliver(service, message, response, { answer: altered(provider, answer, spoilt), spoilt })
}

async function answerTo(provider: Provider, request: ReceivedRequest): Promise<Answer> {
  if (request.endpoint === undefined) return empty(404)
  const { methods, answer } = endpoints[request.endpoint]
  if (!methods.includes(request.method)) return empty(405)
  try {
    return await answer(provider, request)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return error.answer
  }
}

function deliver(
  { provider, reset }: Service,
  message: IncomingMessage,
  response: ServerResponse,
  { answer, spoilt }: { answer: Answer; spoilt: readonly Fault[] },
): void {
  const kinds = spoilt.map(({ kind }) => kind)
  if (kinds.includes('reset')) {
    reset(message)
    return
  }
  if (response.destroyed || kinds.includes('hang-before-headers')) return
  const isObject = typeof answer.body === 'object'
  const body = Buffer.from(isObject ? JSON.stringify(answer.body) : (answer.body ?? ''))
  response.sendDate = false
  response.writeHead(answer.status, {
    date: new Date(secondsNow(provider) * 1000).toUTCString(),
    ...(isObject ? { 'content-type': 'application/json' } : {}),
    'content-length': body.length,
    ...answer.headers,
  })
  const isCut = kinds.includes('hang-after-headers') || kinds.includes('reset-after-headers')
  if (!isCut) {
    response.end(body)
    return
  }
  const firstHalf = body.subarray(0, Math.floor(body.length / 2))
  response.write(firstHalf, () => {
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
