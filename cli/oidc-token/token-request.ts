import { agentAddresses, callLocalOrRemote } from '../../protocol/client/call.ts'
import type {
  AccessTokenReply,
  IdTokenReply,
  TokenSelection,
} from '../../protocol/wire/messages.ts'
import { type LoadableAccount, targetOf, withAutoload } from '../autoload.ts'
import type { Io } from '../run.ts'
import { oidcToken, type TokenOptions } from './options.ts'

/** The token that the command line selects. `operand` is an account, or an issuer as a URL. */
export function tokenSelection(operand: string, options: TokenOptions): TokenSelection {
  return {
    ...targetOf(operand),
    scope: options.scope.length > 0 ? options.scope.join(' ') : undefined,
    audience: options.audience,
    application_hint: options.name ?? oidcToken.name,
  }
}

/**
 * Gets an access token from the agent. An account that is only on disk is loaded first.
 * @throws AgentError why the agent returns no token
 */
export function requestAccessToken(
  selection: TokenSelection,
  { forceNew, time, strict }: TokenOptions,
  io: Io,
): Promise<AccessTokenReply> {
  const loadable = loadableAccount(selection, io)
  const request = {
    ...selection,
    request: 'access_token',
    min_valid_period: forceNew ? -1 : time,
    strict: strict || undefined,
  } as const
  return withAutoload(loadable, () => callLocalOrRemote(loadable.agents, request))
}

/** As {@link requestAccessToken}, for an ID token. The agent always requests a new one. */
export function requestIdToken(selection: TokenSelection, io: Io): Promise<IdTokenReply> {
  const loadable = loadableAccount(selection, io)
  return withAutoload(loadable, () =>
    callLocalOrRemote(loadable.agents, { ...selection, request: 'id_token' }),
  )
}

function loadableAccount({ account }: TokenSelection, io: Io): LoadableAccount {
  return { account, agents: agentAddresses(io.env, io.uid), env: io.env }
}
