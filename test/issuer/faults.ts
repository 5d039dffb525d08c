import type { EndpointName } from './behaviour.ts'
import type { Refusals } from './error-responses.ts'
import type { Fields } from './response.ts'

/** What can go wrong with one answer. Several at once are applied in the order they stand. */
export type Fault = Delay | Replacement | Alteration | Loss

/** The answer comes late. */
type Delay =
  | { readonly kind: 'latency'; readonly ms: number }
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }

/** Another answer comes. */
export type Replacement =
  | {
      readonly kind: 'status'
      readonly status: number
      readonly body?: string | Fields
      readonly headers?: Readonly<Record<string, string>>
    }
  | { readonly kind: 'refusal'; readonly reason: keyof Refusals; readonly about?: string }
  /** A page where JSON was expected, as proxies and portals make. */
  | { readonly kind: 'html'; readonly status?: number }
  /** To `/elsewhere`, where nothing is, with 307, unless told otherwise. */
  | { readonly kind: 'redirect'; readonly status?: number; readonly to?: string }

/** The answer is not what it was. */
export type Alteration =
  | { readonly kind: 'members'; readonly members: Fields }
  | { readonly kind: 'without'; readonly members: readonly string[] }
  | { readonly kind: 'hostile'; readonly except?: readonly string[] }
  | { readonly kind: 'content-type'; readonly type: string }
  | { readonly kind: 'truncated-json' }
  /** 10 MB of valid JSON, unless told otherwise. */
  | { readonly kind: 'huge-body'; readonly bytes?: number }

/** The answer does not arrive. */
type Loss =
  | { readonly kind: 'hang-before-headers' }
  | { readonly kind: 'hang-after-headers' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'reset-after-headers' }

/** How often a fault strikes, and when. */
export interface FaultOptions {
  readonly times?: number | 'always'
  /**
   * Of faults that take the answer's place: true for what happens after the request was carried
   * out (a refresh token has been rotated), false for instead of that.
   */
  readonly afterEffect?: boolean
}

/** Faults that strike one request. */
export interface Strike {
  readonly faults: readonly Fault[]
  readonly afterEffect: boolean
}

interface Planned extends Strike {
  readonly endpoint: EndpointName | 'every'
  remaining: number
}

/** The faults that are to come. */
export class Faults {
  #planned: Planned[] = []

  add(
    endpoint: EndpointName | 'every',
    faults: readonly Fault[],
    { times = 1, afterEffect = false }: FaultOptions = {},
  ): void {
    const remaining = times === 'always' ? Number.POSITIVE_INFINITY : times
    this.#planned.push({ endpoint, faults, afterEffect, remaining })
  }

  /** What strikes this request: of all that is planned for its endpoint, the first. */
  take(endpoint: EndpointName | undefined): Strike | undefined {
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
