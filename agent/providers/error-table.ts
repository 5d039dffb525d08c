import type { Account } from '../../protocol/storage/account.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import { products } from './products.ts'
import {
  type ErrorRow,
  type OAuthErrorResponse,
  PROVIDER_ADDRESS,
  type ProductErrors,
  type RequestPurpose,
  sharedHints,
  UNAUTHORIZED,
} from './profiles.ts'

/** Requests that return tokens. A failed registration is not one: a public client may still be used. */
const tokenPurposes: readonly RequestPurpose[] = [
  'refresh',
  'device authorization',
  'device poll',
  'code exchange',
  'password',
  'client credentials',
  'token exchange',
]
const tooManyRequests = 'Too many requests from this account, client or network. Try again later.'
const overloaded = 'The provider is overloaded or under maintenance. Try again later.'
const failing =
  'The provider failed. Try again later. If the failure persists, report it to the administrators of the provider.'

/**
 * What error responses mean, first match first. Several rows can come with `invalid_grant` without being
 * about the refresh token, which must then be kept: they precede the row of the dead refresh token.
 */
const rows: readonly ErrorRow[] = [
  { purposes: ['device poll'], error: /^authorization_pending$/, code: 'authorization-pending' },
  { purposes: ['device poll'], error: /^slow_down$/, code: 'slow-down' },

  // ── The provider is overloaded ──
  { statuses: [429], code: 'rate-limited', hint: tooManyRequests },
  {
    error: /^(?:slow_down|too_many_requests|rate_limit(?:_exceeded)?)$/,
    code: 'rate-limited',
    hint: tooManyRequests,
  },
  { statuses: [502, 503, 504], code: 'provider-unavailable', hint: overloaded },
  { error: /^temporarily_unavailable$/, code: 'provider-unavailable', hint: overloaded },

  // ── The user has to act at the provider: the refresh token stays valid ──
  ...rowsOfProducts('userAction'),
  // OpenID Connect Core §3.1.2.6.
  {
    error: /^(?:interaction|login|consent|account_selection)_required$/,
    code: 'policy-to-accept',
  },

  // ── The provider has suspended the user ──
  ...rowsOfProducts('userStatus'),
  // "User … is not active.", "User disabled", "Account has been deleted".
  {
    error: UNAUTHORIZED,
    description:
      /\b(?:user|account)\b(?:(?!session|token|client).)*\b(?:not active|inactive|disabled|suspended|blocked|locked|deleted)\b/i,
    code: 'user-inactive',
    hint: sharedHints.userInactive,
  },

  // ── The client ──
  ...rowsOfProducts('clock'),
  // RFC 7523 §3: an assertion is valid for a minute.
  {
    error: /^invalid_(?:client|grant)$/,
    description: /"(?:exp|iat|nbf)" claim|assertion.*(?:expired|future|not yet)/i,
    code: 'wrong-clock',
    hint: sharedHints.wrongClock,
  },
  ...rowsOfProducts('client'),
  { error: /^invalid_client$/, code: 'invalid-client' },
  {
    error: /^(?:unauthorized_client|unsupported_grant_type)$/,
    code: 'client-not-allowed',
    hint: sharedHints.clientNotAllowed,
  },

  // ── The requested scope or audience ──
  ...rowsOfProducts('scope'),
  { error: /^invalid_scope$/, code: 'invalid-scope' },
  {
    error: /^invalid_target$/,
    code: 'invalid-target',
    hint: 'The provider gives this account no token for this audience. If the provider expects the audience in another request parameter (audience, resource, both or scope), choose it:\n\t$ oidc-gen -m <name> --audience-parameter=audience\nor set audience_parameter in issuer.config for all accounts of this provider.',
  },

  // ── A fault of the provider, whatever the error code: it proves nothing about a token ──
  { purposes: tokenPurposes, statuses: [500], code: 'provider-unavailable', hint: failing },
  {
    purposes: tokenPurposes,
    error: /^server_error$/,
    code: 'provider-unavailable',
    hint: failing,
  },

  // ── The grant ──
  {
    purposes: ['token exchange'],
    error: /^invalid_(?:grant|token|request)$/,
    description: /subject|token/i,
    code: 'provider-error',
    hint: 'The provider does not accept the subject token: it may have expired or be for another audience.',
  },
  {
    purposes: ['device poll'],
    error: /^(?:access_denied|authorization_declined)$/,
    code: 'provider-error',
    hint: 'The login was refused in the browser. To try again, start a new login.',
  },
  {
    purposes: ['device poll'],
    error: /^(?:expired_token|code_expired|invalid_grant|bad_verification_code)$/,
    code: 'provider-error',
    hint: 'Start the login again and enter the code in time.',
  },
  {
    purposes: ['code exchange'],
    error: /^invalid_grant$/,
    code: 'provider-error',
    hint: 'The code is valid once and for about a minute. Start the login again.',
  },
  {
    purposes: ['password'],
    error: /^invalid_grant$/,
    code: 'provider-error',
    hint: 'The provider does not accept this user name and password.',
  },
  { purposes: ['refresh'], error: /^invalid_(?:grant|token)$/, code: 'refresh-token-dead' },

  {
    error: /^invalid_request$/,
    code: 'invalid-request',
    hint: 'This is most likely a bug. Please hand in a bug report with this message.',
  },
  {
    purposes: ['registration'],
    code: 'provider-error',
    hint: 'If clients of this provider are registered only by hand, register one on its web page and enter it with:\n\t$ oidc-gen -m <name>\n',
  },
]

function rowsOfProducts(subject: keyof ProductErrors): readonly ErrorRow[] {
  return products.flatMap(({ errors }) => errors?.[subject] ?? [])
}

/** What an error response means. */
export interface ErrorMeaning {
  readonly code: ErrorCode
  readonly hint: string | undefined
}

/**
 * The meaning of an error response.
 * @param address the provider's origin, for hints.
 * @returns `provider-error` if no row matches.
 */
export function classify(
  errorResponse: OAuthErrorResponse,
  purpose: RequestPurpose,
  address: string,
): ErrorMeaning {
  const row = rows.find((one) => matches(one, errorResponse, purpose))
  return {
    code: row?.code ?? 'provider-error',
    hint: row?.hint?.replace(PROVIDER_ADDRESS, address),
  }
}

function matches(
  row: ErrorRow,
  { status, error, description }: OAuthErrorResponse,
  purpose: RequestPurpose,
): boolean {
  return (
    row.purposes?.includes(purpose) !== false &&
    row.statuses?.includes(status) !== false &&
    row.error?.test(error) !== false &&
    row.description?.test(description) !== false
  )
}

/**
 * The next step after an error of the provider, with the account's name, in the C agent's words
 * (protocol.md §2.4). Its clients search the first one for `oidc-gen <name> --reauthenticate`.
 * Undefined if no command helps.
 */
export function hintFor(code: ErrorCode, accountName: string, issuer?: string): string | undefined {
  return accountHints[code]?.(
    shellQuote(accountName),
    issuer === undefined ? '<issuer>' : shellQuote(issuer),
  )
}

/** Adds the hint that names the account to an error that has no hint; other errors are returned unchanged. */
export function withHint(error: unknown, { name, issuer }: Account): unknown {
  if (!(error instanceof AgentError)) return error
  const hint = error.hint ?? hintFor(error.code, name, issuer)
  return hint === undefined
    ? error
    : new AgentError(error.code, error.message, { hint, cause: error })
}

const accountHints: Readonly<Partial<Record<ErrorCode, (name: string, issuer: string) => string>>> =
  {
    'refresh-token-dead': (name) =>
      `Most likely the refresh token expired. To create a new one, just run:\n\t$ oidc-gen ${name} --reauthenticate\n`,
    'policy-to-accept': (name) =>
      `The provider requires an action that is only possible at a login. Log in again:\n\t$ oidc-gen ${name} --reauthenticate\n`,
    'invalid-scope': (name) =>
      `We cannot get these scopes with the current configuration. To get these scopes you might need to adapt the account configuration with\n\t$ oidc-gen -m ${name}\nbut it also might be necessary to change the client configuration with the OpenID provider.\n`,
    'invalid-client': (name, issuer) =>
      `Probably the OIDC client has been deleted. You must register a new client with the OpenID Provider manually and then use \n\t$ oidc-gen -m ${name}\nto update this account configuration, or you delete this account configuration and create a new one using dynamic client configuration (if supported):\n\t $ oidc-gen -d ${name}\n\t $ oidc-gen ${name} --iss=${issuer}\n`,
  }
