/** A JSON object, sent or received. */
export type Fields = Readonly<Record<string, unknown>>

/** The response of an endpoint; an object is sent as JSON, a text with the content type of `headers`. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Fields | string | undefined
}

/** A JSON response with the headers of every OAuth endpoint (RFC 6749 §5.1). */
export function json(
  status: number,
  body: Fields,
  headers: HttpResponse['headers'] = {},
): HttpResponse {
  return { status, headers: { 'cache-control': 'no-store', pragma: 'no-cache', ...headers }, body }
}

/** A response without a body. */
export function empty(status: number): HttpResponse {
  return { status, headers: {}, body: undefined }
}

/** A page for people. */
export function html(status: number, title: string, content = ''): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: `<!doctype html><html><head><title>${title}</title></head><body><h1>${title}</h1>${content}</body></html>`,
  }
}

/**
 * The error responses of a provider, one member per reason. Each makes the whole response, because
 * providers differ in status, body and headers.
 */
export interface ErrorResponses {
  readonly parameterMissing: ErrorResponse
  readonly grantUnsupported: ErrorResponse

  readonly clientUnknown: ErrorResponse
  readonly clientSecretWrong: ErrorResponse
  readonly clientSuspended: ErrorResponse
  readonly clientMayNot: ErrorResponse

  readonly deviceClientMissing: ErrorResponse
  readonly deviceClientUnknown: ErrorResponse
  readonly deviceGrantMissing: ErrorResponse
  readonly deviceScope: ErrorResponse
  readonly devicePending: ErrorResponse
  readonly deviceSlowDown: ErrorResponse
  readonly deviceDenied: ErrorResponse
  readonly deviceExpired: ErrorResponse
  readonly deviceUnknown: ErrorResponse

  readonly codeInvalid: ErrorResponse
  readonly verifierWrong: ErrorResponse
  readonly passwordWrong: ErrorResponse
  readonly subjectTokenInvalid: ErrorResponse

  readonly refreshTokenDead: ErrorResponse
  readonly refreshTokenReused: ErrorResponse

  readonly scopeTooWide: ErrorResponse
  readonly scopeNotForClient: ErrorResponse
  readonly scopeMalformed: ErrorResponse
  readonly resourceMalformed: ErrorResponse
  readonly resourceNotGranted: ErrorResponse
  readonly resourceUnsupported: ErrorResponse

  readonly userInactive: ErrorResponse
  readonly policyUnsigned: ErrorResponse

  readonly registrationInvalid: ErrorResponse
  readonly registrationGrant: ErrorResponse
  readonly registrationDenied: ErrorResponse
  readonly registrationUnknown: ErrorResponse

  readonly accessTokenInvalid: ErrorResponse
}

/** Makes the response for one reason; `about` names the client, token or scope that was refused. */
type ErrorResponse = (about: string, clientId: string) => HttpResponse

/** Ends a request with an error response. */
export class OAuthError extends Error {
  readonly response: HttpResponse

  constructor(response: HttpResponse) {
    super('error response')
    this.response = response
  }
}

/** The usual shape: `{"error", "error_description"}` (RFC 6749 §5.2). */
export function errorResponse(status: number, error: string, description?: string): HttpResponse {
  return json(
    status,
    description === undefined ? { error } : { error, error_description: description },
  )
}

/** The error responses that the RFCs specify. */
export const rfcErrorResponses: ErrorResponses = {
  parameterMissing: (name) => errorResponse(400, 'invalid_request', `missing parameter: ${name}`),
  grantUnsupported: (grant) =>
    errorResponse(400, 'unsupported_grant_type', `no such grant: ${grant}`),

  // RFC 6749 §5.2: 401 with the scheme the client used.
  clientUnknown: (id) => invalidClient(`unknown client ${id}`),
  clientSecretWrong: () => invalidClient('client authentication failed'),
  clientSuspended: (id) => invalidClient(`client ${id} is suspended`),
  clientMayNot: (grant) =>
    errorResponse(400, 'unauthorized_client', `not for this client: ${grant}`),

  deviceClientMissing: () => errorResponse(400, 'invalid_request', 'missing parameter: client_id'),
  deviceClientUnknown: (id) => invalidClient(`unknown client ${id}`),
  deviceGrantMissing: (id) =>
    errorResponse(400, 'unauthorized_client', `no device grant for ${id}`),
  deviceScope: (scope) => errorResponse(400, 'invalid_scope', `not for this client: ${scope}`),
  // RFC 8628 §3.5.
  devicePending: () => errorResponse(400, 'authorization_pending'),
  deviceSlowDown: () => errorResponse(400, 'slow_down'),
  deviceDenied: () => errorResponse(400, 'access_denied'),
  deviceExpired: () => errorResponse(400, 'expired_token'),
  deviceUnknown: () => errorResponse(400, 'invalid_grant', 'unknown device code'),

  codeInvalid: () => errorResponse(400, 'invalid_grant', 'unknown, used or expired code'),
  verifierWrong: () => errorResponse(400, 'invalid_grant', 'code_verifier does not match'),
  passwordWrong: () => errorResponse(400, 'invalid_grant', 'wrong user name or password'),
  subjectTokenInvalid: (why) => errorResponse(400, 'invalid_request', `subject_token: ${why}`),

  refreshTokenDead: () => errorResponse(400, 'invalid_grant', 'unknown, revoked or expired'),
  refreshTokenReused: () =>
    errorResponse(400, 'invalid_grant', 'used before: all its tokens revoked'),

  scopeTooWide: (scope) => errorResponse(400, 'invalid_scope', `not granted: ${scope}`),
  scopeNotForClient: (scope) =>
    errorResponse(400, 'invalid_scope', `not for this client: ${scope}`),
  scopeMalformed: (scope) => errorResponse(400, 'invalid_scope', `malformed: ${scope}`),
  // RFC 8707 §2.
  resourceMalformed: () => errorResponse(400, 'invalid_target', 'resource is no absolute URI'),
  resourceNotGranted: () => errorResponse(400, 'invalid_target', 'resource was not granted'),
  resourceUnsupported: () => errorResponse(400, 'invalid_target', 'resource is not supported'),

  userInactive: () => errorResponse(400, 'invalid_grant', 'the account is disabled'),
  policyUnsigned: () =>
    errorResponse(400, 'interaction_required', 'a policy waits for a signature'),

  // RFC 7591 §3.2.2.
  registrationInvalid: (why) => errorResponse(400, 'invalid_client_metadata', why),
  registrationGrant: (grant) =>
    errorResponse(400, 'invalid_client_metadata', `not allowed: ${grant}`),
  registrationDenied: (why) => bearerErrorResponse(401, 'invalid_token', why),
  // RFC 7592 §2.1: the same response for a wrong token and for a client that was deleted.
  registrationUnknown: () => bearerErrorResponse(401, 'invalid_token', 'no such registration'),

  accessTokenInvalid: () => bearerErrorResponse(401, 'invalid_token', 'unknown or expired'),
}

/** An error response that is repeated in `WWW-Authenticate: Bearer` (RFC 6750 §3). */
export function bearerErrorResponse(
  status: number,
  error: string,
  description: string,
): HttpResponse {
  const { headers, body } = errorResponse(status, error, description)
  const summary = `Bearer error="${error}", error_description="${description}"`
  return { status, body, headers: { ...headers, 'www-authenticate': summary } }
}

function invalidClient(description: string): HttpResponse {
  const { status, headers, body } = errorResponse(401, 'invalid_client', description)
  return { status, body, headers: { ...headers, 'www-authenticate': 'Basic realm="clients"' } }
}
