import { type Check, notOk, ok } from './check.ts'
import type { ComputeOperation } from './operations.ts'
import type { TokenClaims } from './token-facts.ts'

/** HTCondor has one right for all that changes jobs, which all three scopes make together (wlcg.md §4). */
const WRITE = ['compute.create', 'compute.modify', 'compute.cancel']

const computeNeeds: Readonly<
  Record<ComputeOperation, { readonly wlcg: readonly string[]; readonly condor: string }>
> = {
  submit: { wlcg: WRITE, condor: 'condor:/WRITE' },
  remove: { wlcg: WRITE, condor: 'condor:/WRITE' },
  query: { wlcg: ['compute.read'], condor: 'condor:/READ' },
}

/** Whether the scopes of a token allow something with jobs. */
export function computeAccess(token: TokenClaims, operation: ComputeOperation): Check {
  const { wlcg, condor } = computeNeeds[operation]
  const scopes = token.scopes ?? []
  if (scopes.includes(condor)) return ok('access', `${condor} allows ${operation}`)
  const missing = wlcg.filter((scope) => !scopes.includes(scope))
  const isWlcg = token.profile.kind === 'wlcg'
  if (isWlcg && missing.length === 0) return ok('access', `the scopes cover ${operation}`)
  if (token.profile.kind === 'scitokens') return notOk('access', `missing scope: ${condor}`)
  const words = missing.length === 0 ? [] : [`missing scope: ${missing.join(' ')}`]
  const version = isWlcg ? [] : ['scopes like compute.create mean nothing without wlcg.ver "1.0"']
  return notOk('access', [...words, ...version].join('; '))
}
