import { setTimeout as wait } from 'node:timers/promises'
import type { Provider } from './provider.ts'
import { type ErrorResponses, type Fields, type HttpResponse, html } from './response.ts'
import type { EndpointName } from './settings.ts'

/** A fault of one response. Several faults of one response are applied in their order. */
export type Fault = Delay | Replacement | Alteration | Loss

/** The response is late. */
type Delay =
  | { readonly kind: 'latency'; readonly ms: number }
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }

/** Another response is sent. */
type Replacement =
  | {
      readonly kind: 'status'
      readonly status: number
      readonly body?: string | Fields
      readonly headers?: Readonly<Record<string, string>>
    }
  | {
      readonly kind: 'error-response'
      readonly reason: keyof ErrorResponses
      readonly about?: string
    }
  /** A page instead of JSON, as proxies and captive portals send. */
  | { readonly kind: 'html'; readonly status?: number }
  /** By default a 307 to `/elsewhere`, which has no endpoint. */
  | { readonly kind: 'redirect'; readonly status?: number; readonly to?: string }

/** The response is changed. */
type Alteration =
  | { readonly kind: 'members'; readonly members: Fields }
  | { readonly kind: 'without'; readonly members: readonly string[] }
  | { readonly kind: 'hostile'; readonly except?: readonly string[] }
  | { readonly kind: 'content-type'; readonly type: string }
  | { readonly kind: 'truncated-json' }
  /** Valid JSON, 10 MB by default. */
  | { readonly kind: 'huge-body'; readonly bytes?: number }

/** The response does not arrive. */
type Loss =
  | { readonly kind: 'hang-before-headers' }
  | { readonly kind: 'hang-after-headers' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'reset-after-headers' }

/** How many responses have the fault, and whether the request takes effect. */
export interface FaultOptions {
  readonly times?: number | 'always'
  /**
   * For faults that replace the response: true: the request has taken effect (a refresh token has
   * been rotated); false: it has no effect.
   */
  readonly afterEffect?: boolean
}

/** The faults of one response. */
interface ResponseFaults {
  readonly faults: readonly Fault[]
  readonly afterEffect: boolean
}

interface PlannedFaults extends ResponseFaults {
  readonly endpoint: EndpointName | 'every'
  remaining: number
}

/** The faults that a test has planned. */
export class Faults {
  #planned: PlannedFaults[] = []

  add(
    endpoint: EndpointName | 'every',
    faults: readonly Fault[],
    { times = 1, afterEffect = false }: FaultOptions = {},
  ): void {
    const remaining = times === 'always' ? Number.POSITIVE_INFINITY : times
    this.#planned.push({ endpoint, faults, afterEffect, remaining })
  }

  /** The faults of the next response of this endpoint: the first that were planned for it. */
  take(endpoint: EndpointName | undefined): ResponseFaults | undefined {
    const next = this.#planned.find((one) => one.endpoint === 'every' || one.endpoint === endpoint)
    if (next === undefined) return undefined
    next.remaining -= 1
    if (next.remaining <= 0) this.#planned = this.#planned.filter((one) => one !== next)
    return next
  }

  clear(): void {
    this.#planned = []
  }
}

const HUGE_BYTES = 10_000_000

const REPLACEMENTS: readonly string[] = [
  'status',
  'error-response',
  'html',
  'redirect',
] satisfies readonly Replacement['kind'][]
const ALTERATIONS: readonly string[] = [
  'members',
  'without',
  'hostile',
  'content-type',
  'truncated-json',
  'huge-body',
] satisfies readonly Alteration['kind'][]

/** Whether the request takes effect. */
export function takesEffect(planned: ResponseFaults | undefined): boolean {
  if (planned === undefined || planned.afterEffect) return true
  return !planned.faults.some(
    (fault) =>
      isReplacement(fault) || fault.kind === 'hang-before-headers' || fault.kind === 'reset',
  )
}

/** Waits for the delays among the faults, or until the client closes the connection. */
export async function delay(faults: readonly Fault[], closed: AbortSignal): Promise<void> {
  for (const fault of faults) {
    if (fault.kind === 'latency') await wait(fault.ms, undefined, { signal: closed }).catch(ignored)
    if (fault.kind === 'hold') await fault.until
  }
}

/** The response with the faults applied. */
export function applyFaults(
  provider: Provider,
  response: HttpResponse,
  faults: readonly Fault[],
): HttpResponse {
  return faults.reduce((one, fault) => {
    if (isReplacement(fault)) return replacement(provider, fault)
    return isAlteration(fault) ? alter(one, fault) : one
  }, response)
}

function isReplacement(fault: Fault): fault is Replacement {
  return REPLACEMENTS.includes(fault.kind)
}

function isAlteration(fault: Fault): fault is Alteration {
  return ALTERATIONS.includes(fault.kind)
}

function replacement(provider: Provider, fault: Replacement): HttpResponse {
  switch (fault.kind) {
    case 'status':
      return { status: fault.status, headers: fault.headers ?? {}, body: fault.body }
    case 'error-response':
      return provider.settings.errorResponses[fault.reason](fault.about ?? '', '')
    case 'html':
      return html(fault.status ?? 200, 'Sign in to the network', '<p>It is free.</p>')
    case 'redirect': {
      const location = fault.to ?? `${provider.origin}/elsewhere`
      return { status: fault.status ?? 307, headers: { location }, body: undefined }
    }
  }
}

function alter(response: HttpResponse, fault: Alteration): HttpResponse {
  switch (fault.kind) {
    case 'members':
      return { ...response, body: { ...objectOf(response), ...fault.members } }
    case 'without':
      return { ...response, body: without(objectOf(response), fault.members) }
    case 'hostile':
      return { ...response, body: hostile(objectOf(response), fault.except) as Fields }
    case 'content-type':
      return { ...withText(response), headers: { ...response.headers, 'content-type': fault.type } }
    case 'truncated-json': {
      const { headers, body } = withText(response)
      return { status: response.status, headers, body: body.slice(0, Math.floor(body.length / 2)) }
    }
    case 'huge-body': {
      const padding = 'x'.repeat(fault.bytes ?? HUGE_BYTES)
      return { ...response, body: { padding, ...objectOf(response) } }
    }
  }
}

/** The response as text, with the content type of the object. */
function withText(response: HttpResponse): HttpResponse & { body: string } {
  const isObject = typeof response.body === 'object'
  const headers = isObject
    ? { 'content-type': 'application/json', ...response.headers }
    : response.headers
  return {
    ...response,
    headers,
    body: isObject ? JSON.stringify(response.body) : (response.body ?? ''),
  }
}

function objectOf({ body }: HttpResponse): Fields {
  return typeof body === 'object' ? body : {}
}

function without(body: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))
}

function ignored(): void {
  // The client has closed the connection and reads no response.
}

/**
 * A text that harms a program which prints it or passes it to a shell: commands in every syntax of
 * shells, quotes, terminal escapes, line ends, NUL, a change of the writing direction.
 */
export const HOSTILE =
  '`touch pwned`$(touch pwned);touch pwned|touch pwned&\'"\\ <b>\u001b]0;pwned\u0007\u001b[2J\u009b31m\r\nError: forged\u0000\u2028\u202eforged'

/** The value with {@link HOSTILE} appended to every string in it, except in the named members. */
function hostile(value: unknown, except: readonly string[] = []): unknown {
  if (typeof value === 'string') return value + HOSTILE
  if (Array.isArray(value)) return value.map((one) => hostile(one, except))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      except.includes(name) ? member : hostile(member, except),
    ]),
  )
}
