import type { UnixSeconds } from '../../../protocol/messages.ts'
import { audienceAt } from './audience-at.ts'
import type { Check, CheckName } from './check.ts'
import { computeAccess } from './compute-access.ts'
import type { Operation } from './service.ts'
import { storageAccess } from './storage-access.ts'
import { tokenChecks } from './token-checks.ts'
import type { TokenClaims } from './token-facts.ts'

/** What a token is to be judged for. */
export interface TargetService {
  readonly operation: Operation
  /** The name under which the service takes tokens, where the person knows it. */
  readonly audience: string | undefined
}

/** What a service would look at if the token came for this, in its order; the signature left out. */
export function evaluate(
  token: TokenClaims,
  { operation, audience }: TargetService,
  now: UnixSeconds,
): readonly Check[] {
  const asSuch = tokenChecks(token, now).filter(({ name }) => matters(name, token, operation))
  const access =
    operation.kind === 'storage'
      ? storageAccess(token, operation)
      : computeAccess(token, operation.name)
  return [...asSuch, audienceAt(token, operation, audience), access]
}

function matters(name: CheckName, { profile }: TokenClaims, operation: Operation): boolean {
  // Without a profile the token is taken; its scopes are what then counts for little.
  if (name === 'profile') return profile.kind !== 'none'
  if (name === 'size') return operation.kind === 'storage' && operation.protocol === 'root'
  // Judged for the one service and the one path.
  return name !== 'audience' && name !== 'paths'
}
