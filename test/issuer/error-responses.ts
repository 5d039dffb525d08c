import { type Answer, json } from './response.ts'

/**
 * How a provider says no, one row per reason. Each row is given what the refusal is about (the
 * client, the token, the scope) and makes the whole answer, since status, body and headers are
 * where providers differ.
 */
export interface Refusals {
  readonly parameterMissing: Refusal
  readonly grantUnsupported: Refusal

  readonly clientUnknown: Refusal
  readonly clientSecretWrong: Refusal
  readonly clientSuspended: Refusal
  readonly clientMayNot: Refusal

  readonly deviceClientMissing: Refusal
  readonly deviceClientUnknown: Refusal
  readonly deviceGrantMissing: Refusal
  readonly deviceScope: Refusal
  readonly devicePending: Refusal
  readonly deviceSlowDown: Refusal
  readonly deviceDenied: Refusal
  readonly deviceExpired: Refusal
  readonly deviceUnknown: Refusal

  readonly codeInvalid: Refusal
  readonly verifierWrong: Refusal
  readonly passwordWrong: Refusal
  readonly subjectTokenInvalid: Refusal

  readonly refreshTokenDead: Refusal
  readonly refreshTokenReused: Refusal

  readonly scopeTooWide: Refusal
  readonly scopeNotForClient: Refusal
  readonly scopeMalformed: Refusal
  readonly resourceMalformed: Refusal
  readonly resourceNotGranted: Refusal
  readonly resourceUnsupported: Refusal

  readonly userInactive: Refusal
  readonly policyUnsigned: Refusal

  readonly registrationInvalid: Refusal
  readonly registrationGrant: Refusal
  readonly registrationDenied: Refusal
  readonly registrationUnknown: Refusal

  readonly accessTokenInvalid: Refusal
}

/** The answer for one reason; `about` names what was refused, `clientId` to whom, where that counts. */
type Refusal = (about: string, clientId: string) => Answer

/** Thrown by an endpoint that says no. */
export class Refused extends Error {
  readonly answer: Answer

  constructor(answer: Answer) {
    super('refused')
    this.answer = answer
  }
}

/** The usual shape: `{"error", "error_description"}` (RFC 6749 §5.2). */
export function refusal(status: number, error: string, description?: string): Answer {
  return json(
    status,
    description === undefined ? { error } : { error, error_description: description },
  )
}

/** As the RFCs word it: what a provider does that read them and added nothing. */
export const rfcRefusals: Refusals = {
  parameterMissing: (name) => refusal(400, 'invalid_request', `missing parameter: ${name}`),
  grantUnsupported: (grant) => refusal(400, 'unsupported_grant_type', `no such grant: ${grant}`),

  // RFC 6749 §5.2: 401 with the scheme the client used.
  clientUnknown: (id) => invalidClient(`unknown client ${id}`),
  clientSecretWrong: () => invalidClient('client authentication failed'),
  clientSuspended: (id) => invalidClient(`client ${id} is suspended`),
  clientMayNot: (grant) => refusal(400, 'unauthorized_client', `not for this client: ${grant}`),

  deviceClientMissing: () => refusal(400, 'invalid_request', 'missing parameter: client_id'),
  deviceClientUnknown: (id) => invalidClient(`unknown client ${id}`),
  deviceGrantMissing: (id) => refusal(400, 'unauthorized_client', `no device grant for ${id}`),
  deviceScope: (scope) => refusal(400, 'invalid_scope', `not for this client: ${scope}`),
  // RFC 8628 §3.5.
  devicePending: () => refusal(400, 'authorization_pending'),
  deviceSlowDown: () => refusal(400, 'slow_down'),
  deviceDenied: () => refusal(400, 'access_denied'),
  deviceExpired: () => refusal(400, 'expired_token'),
  deviceUnknown: () => refusal(400, 'invalid_grant', 'unknown device code'),

  codeInvalid: () => refusal(400, 'invalid_grant', 'unknown, used or expired code'),
  verifierWrong: () => refusal(400, 'invalid_grant', 'code_verifier does not match'),
  passwordWrong: () => refusal(400, 'invalid_grant', 'wrong user name or password'),
  subjectTokenInvalid: (why) => refusal(400, 'invalid_request', `subject_token: ${why}`),

  refreshTokenDead: () => refusal(400, 'invalid_grant', 'unknown, revoked or expired'),
  refreshTokenReused: () => refusal(400, 'invalid_grant', 'used before: all its tokens revoked'),

  scopeTooWide: (scope) => refusal(400, 'invalid_scope', `not granted: ${scope}`),
  scopeNotForClient: (scope) => refusal(400, 'invalid_scope', `not for this client: ${scope}`),
  scopeMalformed: (scope) => refusal(400, 'invalid_scope', `malformed: ${scope}`),
  // RFC 8707 §2.
  resourceMalformed: () => refusal(400, 'invalid_target', 'resource is no absolute URI'),
  resourceNotGranted: () => refusal(400, 'invalid_target', 'resource was not granted'),
  resourceUnsupported: () => refusal(400, 'invalid_target', 'resource is not supported'),

  userInactive: () => refusal(400, 'invalid_grant', 'the account is disabled'),
  policyUnsigned: () => refusal(400, 'interaction_required', 'a policy waits for a signature'),

  // RFC 7591 §3.2.2.
  registrationInvalid: (why) => refusal(400, 'invalid_client_metadata', why),
  registrationGrant: (grant) => refusal(400, 'invalid_client_metadata', `not allowed: ${grant}`),
  registrationDenied: (why) => bearerRefusal(401, 'invalid_token', why),
  // RFC 7592 §2.1: the same answer for a wrong token and for a client that is gone.
  registrationUnknown: () => bearerRefusal(401, 'invalid_token', 'no such registration'),

  accessTokenInvalid: () => bearerRefusal(401, 'invalid_token', 'unknown or expired'),
}

/** An answer that repeats itself in `WWW-Authenticate: Bearer` (RFC 6750 §3). */
export function bearerRefusal(status: number, error: string, description: string): Answer {
  const { headers, body } = refusal(status, error, description)
  const summary = `Bearer error="${error}", error_description="${description}"`
  return { status, body, headers: { ...headers, 'www-authenticate': summary } }
}

function invalidClient(description: string): Answer {
  const { status, headers, body } = refusal(401, 'invalid_client', description)
  return { status, body, headers: { ...headers, 'www-authenticate': 'Basic realm="clients"' } }
}
