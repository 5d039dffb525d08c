import type { Environment } from '../wire/agent-options.ts'
import { AgentError } from '../wire/errors.ts'
import { callLocalOrRemote } from './call.ts'
import { agentAddresses } from './find-agent.ts'

export { AgentError, type ErrorCode } from '../wire/errors.ts'
export type { Environment }

/** Which token is wanted. Either `account` or `issuer` is needed; `account` wins. */
export interface TokenOptions {
  /** Name of an account, as `oidc-add -l` lists it. */
  readonly account?: string | undefined
  /** URL of a provider: an account of it is chosen by the agent. */
  readonly issuer?: string | undefined
  /** Scopes, as a list or separated by spaces. Absent: the account's own. */
  readonly scope?: string | readonly string[] | undefined
  /** Audiences, as a list or separated by spaces. Absent: the account's own. */
  readonly audience?: string | readonly string[] | undefined
  /** Seconds the token must still be valid. */
  readonly minValidSeconds?: number | undefined
  /** True: another scope, audience or lifetime than asked for is an error, `not-as-asked`. */
  readonly strict?: boolean | undefined
  /** Name of your program, as the person may be shown it. Default: `oidc-agent-ts`. */
  readonly applicationName?: string | undefined
  /** Gives up when aborted: the promise rejects with the code `cancelled`. */
  readonly signal?: AbortSignal | undefined
  /**
   * Milliseconds until the code `agent-timeout`. Default: 330,000, as the agent may be asking the
   * person for a password meanwhile.
   */
  readonly timeoutMs?: number | undefined
  /** Where `OIDC_SOCK` and `OIDC_REMOTE_SOCK` are looked for. Default: `process.env`. */
  readonly env?: Environment | undefined
}

/** An access token, and what the agent says of it. */
export interface AccessToken {
  /** A secret: it belongs into an `Authorization: Bearer` header and nowhere else. */
  readonly token: string
  /** As the provider publishes it. */
  readonly issuer: string
  /** Seconds since 1970 (Unix time); undefined if the provider does not report the expiry. */
  readonly expiresAt: number | undefined
  /** What was granted, separated by spaces, where the provider says it. */
  readonly scope: string | undefined
  /** What differs from what was asked for, a line each, for the person. */
  readonly info: string | undefined
}

/**
 * Asks the agent for an access token. The agent keeps tokens and renews them in time: ask for one
 * whenever you need one, and do not keep it.
 * @throws AgentError with a `code` to decide by, a `message` that names who failed on what, and
 *   often a `hint` with the next command. It never asks the person anything itself.
 */
export async function getAccessToken(options: TokenOptions): Promise<AccessToken> {
  const { account, issuer, signal, timeoutMs, env = process.env } = options
  if (account === undefined && issuer === undefined) {
    throw new AgentError('bad-request', 'getAccessToken needs an account or an issuer')
  }
  const reply = await callLocalOrRemote(
    agentAddresses(env, process.getuid?.() ?? 0),
    {
      request: 'access_token',
      ...(account === undefined ? { issuer } : { account }),
      scope: listed(options.scope),
      audience: listed(options.audience),
      min_valid_period: options.minValidSeconds,
      strict: options.strict,
      application_hint: options.applicationName ?? 'oidc-agent-ts',
    },
    { signal, timeoutMs },
  )
  return {
    token: reply.access_token,
    issuer: reply.issuer,
    expiresAt: reply.expires_at === 0 ? undefined : reply.expires_at,
    scope: reply.scope,
    info: reply.info,
  }
}

function listed(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.join(' ')
}
