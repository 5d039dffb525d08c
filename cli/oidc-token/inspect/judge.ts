import type { UnixSeconds } from '../../../protocol/messages.ts'
import { audienceAt } from './audience-at.ts'
import type { Check, CheckName } from './check.ts'
import { computeAccess } from './compute-access.ts'
import type { Use } from './service.ts'
import { storageAccess } from './storage-access.ts'
import { tokenChecks } from './token-checks.ts'
import type { TokenFacts } from './token-facts.ts'

/** What a token is to be judged for. */
export interface Purpose {
  readonly use: Use
  /** The name under which the service takes tokens, where the person knows it. */
  readonly audience: string | undefined
}

/** What a service would look at if the token came for this, in its order; the signature left out. */
export function judge(
  token: TokenFacts,
  { use, audience }: Purpose,
  now: UnixSeconds,
): readonly Check[] {
  const asSuch = tokenChecks(token, now).filter(({ name }) => matters(name, token, use))
  const access =
    use.kind === 'storage' ? storageAccess(token, use) : computeAccess(token, use.operation)
  return [...asSuch, audienceAt(token, use, audience), access]
}

function matters(name: CheckName, { profile }: TokenFacts, use: Use): boolean {
  // Without a profile the token is taken; its scopes are what then counts for little.
  if (name === 'profile') return profile.kind !== 'none'
  if (name === 'size') return use.kind === 'storage' && use.protocol === 'root'
  // Judged for the one service and the one path.
  return name !== 'audience' && name !== 'paths'
}
