import type { Behaviour, EndpointName } from './behaviour.ts'
import { type Refusals, Refused } from './error-responses.ts'
import type { ReceivedRequest } from './received-request.ts'
import type { Answer } from './response.ts'
import type { Scenario } from './scenario.ts'
import type { SigningKey } from './signing.ts'
import type { Store } from './store.ts'

/** All that can be turned, while the provider runs. */
export interface Settings extends Behaviour, Scenario {}

/** What every endpoint is given. */
export interface Provider {
  readonly origin: string
  /** As they are now; replaced as a whole when one is turned. */
  readonly settings: Settings
  readonly store: Store
  readonly key: SigningKey
  /** Of the platform whose JWTs are taken for exchange. */
  readonly platformKey: SigningKey
}

/** @throws Refused where the answer is no. */
export type Endpoint = (provider: Provider, request: ReceivedRequest) => Answer | Promise<Answer>

/** The issuer, to the letter. */
export function issuerOf({ origin, settings }: Provider): string {
  return `${origin}${settings.issuerPath}`
}

/** @throws Error for an endpoint that this provider has not. */
export function urlOf({ origin, settings }: Provider, endpoint: EndpointName): string {
  const path = settings.paths[endpoint]
  if (path === undefined) throw new Error(`${settings.product} has no ${endpoint} endpoint`)
  return `${origin}${path}`
}

/** Unix seconds by the provider's clock. */
export function secondsNow({ settings }: Provider): number {
  return Math.floor(Date.now() / 1000) + settings.clockOffsetSeconds
}

export function isOver(
  provider: Provider,
  { expiresAt }: { expiresAt: number | undefined },
): boolean {
  return expiresAt !== undefined && expiresAt <= secondsNow(provider)
}

/** Ends a request with one of the provider's refusals. */
export function refuse(
  { settings }: Provider,
  reason: keyof Refusals,
  about = '',
  clientId = '',
): never {
  throw new Refused(settings.refusals[reason](about, clientId))
}
