import type { ErrorCode } from '../../protocol/wire/errors.ts'

/** An OAuth error response (RFC 6749 §5.2), or the challenge that takes its place (RFC 6750 §3). */
export interface OAuthErrorResponse {
  readonly status: number
  readonly error: string
  /** Empty where none came. */
  readonly description: string
}

/** What a provider was asked for; some of its words mean different things in different places. */
export type RequestPurpose =
  | 'discovery'
  | 'refresh'
  | 'device authorization'
  | 'device poll'
  | 'code exchange'
  | 'password'
  | 'client credentials'
  | 'token exchange'
  | 'registration'
  | 'client deletion'
  | 'revocation'

/** One meaning a refusal can have. What a row does not name may be anything. */
interface Row {
  readonly purposes?: readonly RequestPurpose[]
  readonly statuses?: readonly number[]
  readonly error?: RegExp
  readonly description?: RegExp
  readonly code: ErrorCode
  /** What to do; where the name of the account has to be in it, `provider-hints.ts` has it. */
  readonly hint?: string
}

/** Stands in hints for the address of the provider. */
const PROVIDER = '{provider}'

const signIn = `Sign in at ${PROVIDER} and do what is asked for there; then try again. The login of this account stays good.`
/** Everything that asks for a token; a failed registration leads on to a public client. */
const tokenPurposes: readonly RequestPurpose[] = [
  'refresh',
  'device authorization',
  'device poll',
  'code exchange',
  'password',
  'client credentials',
  'token exchange',
]
const broken = 'The provider failed. Try again later; if it goes on, tell its administrators.'
const startAgain = 'Start the login again and enter the code in time.'
const unauthorized =
  /^(?:unauthorized|access_denied|invalid_(?:grant|token|client)|unauthorized_client)$/

/**
 * Every refusal that means something for whoever reads it, first match first. Three of them come as
 * `invalid_grant` and are not about the refresh token, which has to be kept: they stand before it.
 */
const rows: readonly Row[] = [
  { purposes: ['device poll'], error: /^authorization_pending$/, code: 'authorization-pending' },
  { purposes: ['device poll'], error: /^slow_down$/, code: 'slow-down' },

  // ── The provider has no time ──
  {
    statuses: [429],
    code: 'rate-limited',
    hint: 'The provider is asked too often: by this account, this client or this network. Try again later.',
  },
  {
    error: /^(?:slow_down|too_many_requests|rate_limit(?:_exceeded)?)$/,
    code: 'rate-limited',
    hint: 'The provider is asked too often: by this account, this client or this network. Try again later.',
  },
  {
    statuses: [502, 503, 504],
    code: 'provider-unavailable',
    hint: 'The provider is overloaded or being maintained. Try again later.',
  },
  {
    error: /^temporarily_unavailable$/,
    code: 'provider-unavailable',
    hint: 'The provider is overloaded or being maintained. Try again later.',
  },

  // ── The person has to do something: nothing is wrong with the refresh token ──
  // IAM: "User … needs to sign AUP for this organization in order to proceed."
  {
    description: /\bAUP\b|acceptable use policy|terms (?:of (?:use|service)|and conditions)/i,
    code: 'policy-to-accept',
    hint: `Sign in at ${PROVIDER} and accept its terms of use; then try again. The login of this account stays good.`,
  },
  // Keycloak: required actions, such as a new password or terms to accept.
  { description: /account is not fully set up/i, code: 'policy-to-accept', hint: signIn },
  // Entra: consent, a second factor, conditional access.
  { description: /AADSTS(?:50076|50079|65001|5300[0-4])\b/, code: 'policy-to-accept' },
  // OpenID Connect Core §3.1.2.6.
  {
    error: /^(?:interaction|login|consent|account_selection)_required$/,
    code: 'policy-to-accept',
  },

  // ── The provider has closed the door to the person ──
  // IAM: "User … is not active."; Keycloak: "User disabled"; Entra: AADSTS50057, locked 50053.
  {
    error: unauthorized,
    description:
      /\b(?:user|account)\b(?:(?!session|token|client).)*\b(?:not active|inactive|disabled|suspended|blocked|locked|deleted)\b|AADSTS500(?:53|57)\b/i,
    code: 'user-inactive',
    hint: 'The provider has suspended this user: ask its administrators. The login of this account may be good again afterwards.',
  },

  // ── The client ──
  // RFC 7523 §3: an assertion is good for a minute.
  {
    error: /^invalid_(?:client|grant)$/,
    description: /"(?:exp|iat|nbf)" claim|assertion.*(?:expired|future|not yet)|AADSTS700024\b/i,
    code: 'wrong-clock',
    hint: 'Check the clock of this machine: what is signed here looks too old or too new to the provider.',
  },
  {
    error: unauthorized,
    description: /\bclient\b.*\bsuspended\b/i,
    code: 'invalid-client',
    hint: 'The provider has suspended this client: ask its administrators.',
  },
  // IAM says invalid_client for it, too.
  {
    error: unauthorized,
    description: /unauthorized grant type/i,
    code: 'client-not-allowed',
    hint: 'The client may not be used in this way: its administrator has to allow it, or choose another flow with -w.',
  },
  // Entra: an application that is not in the directory.
  { description: /AADSTS700016\b/, code: 'invalid-client' },
  { error: /^invalid_client$/, code: 'invalid-client' },
  {
    error: /^(?:unauthorized_client|unsupported_grant_type)$/,
    code: 'client-not-allowed',
    hint: 'The client may not be used in this way: its administrator has to allow it, or choose another flow with -w.',
  },

  // ── What was asked for ──
  { error: /^invalid_scope$/, code: 'invalid-scope' },
  // CILogon says access_denied where a policy leaves nothing of the scopes.
  { description: /\bno scopes? found\b/i, code: 'invalid-scope' },
  // IAM, where a scope policy took away what was consented to.
  {
    description: /changes were detected from the original authorization request/i,
    code: 'invalid-scope',
    hint: 'A scope policy of the provider does not allow this user all of these scopes. Ask for fewer.',
  },
  {
    error: /^invalid_target$/,
    code: 'invalid-target',
    hint: 'The provider gives this account no token for this audience. If it wants to be asked for it in another way (audience, resource, both or scope):\n\t$ oidc-gen -m <name> --audience-parameter=audience\nor, for all its accounts, set audience_parameter for it in issuer.config.',
  },

  // ── The provider has a fault, whatever it calls it: that proves nothing about a token ──
  { purposes: tokenPurposes, statuses: [500], code: 'provider-unavailable', hint: broken },
  {
    purposes: tokenPurposes,
    error: /^server_error$/,
    code: 'provider-unavailable',
    hint: broken,
  },

  // ── What a token was asked for with ──
  {
    purposes: ['token exchange'],
    error: /^invalid_(?:grant|token|request)$/,
    description: /subject|token/i,
    code: 'provider-error',
    hint: 'The provider does not take the token that was to be exchanged: it may have expired, or be for another audience.',
  },
  {
    purposes: ['device poll'],
    error: /^(?:access_denied|authorization_declined)$/,
    code: 'provider-error',
    hint: 'The login was refused in the browser. To try again, start it again.',
  },
  {
    purposes: ['device poll'],
    error: /^(?:expired_token|code_expired|invalid_grant|bad_verification_code)$/,
    code: 'provider-error',
    hint: startAgain,
  },
  {
    purposes: ['code exchange'],
    error: /^invalid_grant$/,
    code: 'provider-error',
    hint: 'The code is good for one use and about a minute. Start the login again.',
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
    hint: 'If this provider registers clients by hand only, register one at its web page and give it with:\n\t$ oidc-gen -m <name>\n',
  },
]

/** What a refusal means. */
export interface ErrorMeaning {
  readonly code: ErrorCode
  readonly hint: string | undefined
}

/** The meaning of a refusal by the provider at `origin`; `provider-error` where it has no other. */
export function classify(
  errorResponse: OAuthErrorResponse,
  purpose: RequestPurpose,
  origin: string,
): ErrorMeaning {
  const row = rows.find((one) => fits(one, errorResponse, purpose))
  return {
    code: row?.code ?? 'provider-error',
    hint: row?.hint?.replace(PROVIDER, origin),
  }
}

function fits(
  row: Row,
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
