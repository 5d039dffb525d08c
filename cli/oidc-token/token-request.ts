import { agentAddresses, callLocalOrRemote } from '../../protocol/client/call.ts'
import type {
  AccessTokenReply,
  IdTokenReply,
  TokenSelection,
} from '../../protocol/wire/messages.ts'
import { type LoadableAccount, targetOf, withAutoload } from '../autoload.ts'
import type { Io } from '../run.ts'
import { oidcToken, type TokenOptions } from './options.ts'

/** The token that a command line requests. `operand`: the account, or the issuer as a URL. */
export function tokenSelection(operand: string, options: TokenOptions): TokenSelection {
  return {
    ...targetOf(operand),
    scope: options.scope.length > 0 ? options.scope.join(' ') : undefined,
    audience: options.audience,
    application_hint: options.name ?? oidcToken.name,
  }
}

/**
 * Asks for an access token; loads the account first, where it is only on disk.
 * @throws AgentError why there is none
 */
export function requestAccessToken(
  wanted: TokenSelection,
  { forceNew, time, strict }: TokenOptions,
  io: Io,
): Promise<AccessTokenReply> {
  const loading = loadable(wanted, io)
  const request = {
    ...wanted,
    request: 'access_token',
    min_valid_period: forceNew ? -1 : time,
    strict: strict || undefined,
  } as const
  return withAutoload(loading, () => callLocalOrRemote(loading.agents, request))
}

/** As {@link requestAccessToken}, for an ID token: always a new one. */
export function requestIdToken(wanted: TokenSelection, io: Io): Promise<IdTokenReply> {
  const loading = loadable(wanted, io)
  return withAutoload(loading, () =>
    callLocalOrRemote(loading.agents, { ...wanted, request: 'id_token' }),
  )
}

function loadable({ account }: TokenSelection, io: Io): LoadableAccount {
  return { account, agents: agentAddresses(io.env, io.uid), env: io.env }
}
