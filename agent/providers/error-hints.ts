import type { Account } from '../../protocol/storage/account.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import { shellQuote } from '../../protocol/wire/text.ts'

/**
 * What a person can do about a provider's refusal, in the C agent's words (protocol.md §2.4). Its
 * clients search the first one for `oidc-gen <name> --reauthenticate`: keep the wording.
 */
export function hintFor(code: ErrorCode, accountName: string, issuer?: string): string | undefined {
  return hints[code]?.(
    shellQuote(accountName),
    issuer === undefined ? '<issuer>' : shellQuote(issuer),
  )
}

/** The provider layer knows no account names; the C clients read the name out of the hint. */
export function withHint(error: unknown, { name, issuer }: Account): unknown {
  if (!(error instanceof AgentError)) return error
  const hint = error.hint ?? hintFor(error.code, name, issuer)
  return hint === undefined
    ? error
    : new AgentError(error.code, error.message, { hint, cause: error })
}

const hints: Readonly<Partial<Record<ErrorCode, (name: string, issuer: string) => string>>> = {
  'refresh-token-dead': (name) =>
    `Most likely the refresh token expired. To create a new one, just run:\n\t$ oidc-gen ${name} --reauthenticate\n`,
  'policy-to-accept': (name) =>
    `The provider wants something of you that only a login can give. Log in again:\n\t$ oidc-gen ${name} --reauthenticate\n`,
  'invalid-scope': (name) =>
    `We cannot get these scopes with the current configuration. To get these scopes you might need to adapt the account configuration with\n\t$ oidc-gen -m ${name}\nbut it also might be necessary to change the client configuration with the OpenID provider.\n`,
  'invalid-client': (name, issuer) =>
    `Probably the OIDC client has been deleted. You must register a new client with the OpenID Provider manually and then use \n\t$ oidc-gen -m ${name}\nto update this account configuration, or you delete this account configuration and create a new one using dynamic client configuration (if supported):\n\t $ oidc-gen -d ${name}\n\t $ oidc-gen ${name} --iss=${issuer}\n`,
}
