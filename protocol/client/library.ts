import type { Environment } from '../wire/agent-options.ts'
import { AgentError } from '../wire/errors.ts'
import { agentAddresses, callLocalOrRemote } from './call.ts'

export { AgentError, type ErrorCode } from '../wire/errors.ts'
export type { Environment }

/** The requested token. Either `account` or `issuer` is required; `account` wins. */
export interface TokenOptions {
  /** Name of an account, as `oidc-add -l` lists it. */
  readonly account?: string | undefined
  /** URL of a provider: the agent chooses one of its accounts. */
  readonly issuer?: string | undefined
  /** Scopes, as a list or separated by spaces. Absent: the account's own. */
  readonly scope?: string | readonly string[] | undefined
  /** Audiences, as a list or separated by spaces. Absent: the account's own. */
  readonly audience?: string | readonly string[] | undefined
  /** Seconds for which the token must still be valid. */
  readonly minValidSeconds?: number | undefined
  /** True: a scope, audience or lifetime that differs from the requested one is an error, `not-as-asked`. */
  readonly strict?: boolean | undefined
  /** Name of your program, which the agent may show to the person. Default: `oidc-agent-ts`. */
  readonly applicationName?: string | undefined
  /** Cancels the call: the promise rejects with the code `cancelled`. */
  readonly signal?: AbortSignal | undefined
  /**
   * Milliseconds until the call fails with the code `agent-timeout`. Default: 330,000, since the agent
   * may be asking the person for a password, but 60,000 if the agent does not answer a check either.
   */
  readonly timeoutMs?: number | undefined
  /** The environment with `OIDC_SOCK` and `OIDC_REMOTE_SOCK`. Default: `process.env`. */
  readonly env?: Environment | undefined
}

/** An access token and its properties. */
export interface AccessToken {
  /** A secret: send it in an `Authorization: Bearer` header and nowhere else. */
  readonly token: string
  /** URL of the provider, as the provider publishes it. */
  readonly issuer: string
  /** Seconds since 1970 (Unix time); undefined if the provider does not report the expiry. */
  readonly expiresAt: number | undefined
  /** The granted scopes, separated by spaces; undefined if the provider does not report them. */
  readonly scope: string | undefined
  /** The differences between the requested and the granted token, one a line, for the person. */
  readonly info: string | undefined
}

/**
 * Requests an access token from the agent. The agent caches tokens and renews them in time: call
 * this function whenever you need a token, and do not store the token. The function never asks the
 * person anything.
 * @throws AgentError with a `code` to decide by, a `message` that names the failed operation, and
 *   often a `hint` with the next command
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
