import { type ErrorResponses, type HttpResponse, json, rfcErrorResponses } from '../response.ts'
import { type Behaviour, DEVICE_GRANT } from '../settings.ts'
import { conforming } from './conforming.ts'

const tenant = '/6f1ad000-0000-4000-8000-000000000001'

const errorResponses: ErrorResponses = {
  ...rfcErrorResponses,
  parameterMissing: (name) =>
    aadsts(
      400,
      'invalid_request',
      900144,
      `The request body must contain the following parameter: '${name}'.`,
    ),
  clientUnknown: (id) => unknownApplication(id),
  deviceClientUnknown: (id) => unknownApplication(id),
  clientSecretWrong: (why) =>
    why === ''
      ? aadsts(401, 'invalid_client', 7000215, 'Invalid client secret provided.')
      : aadsts(
          401,
          'invalid_client',
          700025,
          "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        ),
  devicePending: () =>
    aadsts(
      400,
      'authorization_pending',
      70016,
      'The provided request has not yet been authorized by the user. The user must input their code.',
    ),
  // Not RFC 8628's access_denied.
  deviceDenied: () =>
    aadsts(400, 'authorization_declined', 70018, 'The end user denied the authorization request.'),
  deviceUnknown: () => aadsts(400, 'bad_verification_code', 70017, 'The device code is not known.'),
  deviceExpired: () => aadsts(400, 'expired_token', 70020, 'The device code has expired.'),
  refreshTokenDead: () =>
    aadsts(
      400,
      'invalid_grant',
      700082,
      'The refresh token has expired due to inactivity. The token was inactive for 90.00:00:00.',
    ),
  scopeNotForClient: (scope) => unknownScope(scope),
  deviceScope: (scope) => unknownScope(scope),
  scopeMalformed: (scope) =>
    aadsts(
      400,
      'invalid_request',
      28000,
      `Provided value for the input parameter scope is not valid because it contains more than one resource. Scope ${scope} is not valid.`,
    ),
  resourceUnsupported: () =>
    aadsts(400, 'invalid_request', 901002, "The 'resource' request parameter is not supported."),
  userInactive: () => aadsts(400, 'invalid_grant', 50057, 'The user account is disabled.'),
  policyUnsigned: () =>
    aadsts(400, 'interaction_required', 50158, 'External security challenge was not satisfied.'),
}

/**
 * Microsoft Entra, v2.0 endpoints: an API is named by the scopes' common beginning
 * (`api://store/Read`), never by an audience; no registration, no revocation, no introspection.
 */
export const entra: Behaviour = {
  ...conforming,
  product: 'Microsoft Entra',
  issuerPath: `${tenant}/v2.0`,
  paths: {
    discovery: `${tenant}/v2.0/.well-known/openid-configuration`,
    jwks: `${tenant}/discovery/v2.0/keys`,
    authorization: `${tenant}/oauth2/v2.0/authorize`,
    token: `${tenant}/oauth2/v2.0/token`,
    device: `${tenant}/oauth2/v2.0/devicecode`,
    verification: '/devicelogin',
    userinfo: '/oidc/userinfo',
  },
  clientAuthMethods: ['client_secret_post', 'private_key_jwt', 'client_secret_basic', 'none'],
  onlyRegisteredAuthMethod: false,
  secretOfPublicClient: 'refused',
  grantTypes: [
    'authorization_code',
    'refresh_token',
    'password',
    'client_credentials',
    DEVICE_GRANT,
  ],

  systemScopes: [
    'openid',
    'profile',
    'email',
    'offline_access',
    'api://store/Read',
    'api://store/Write',
    'api://queue/Read',
  ],
  pathNarrowing: 'no',
  // One refresh token is valid for every API that the person consented to.
  scopeUpgrade: 'up to what the client may have',
  audienceFromScope: true,

  deviceStartAuthenticates: false,
  deviceClientIdInForm: true,
  deviceUriComplete: false,
  deviceInterval: 5,
  deviceCodeSeconds: 900,
  deviceMessage: true,

  pkceMethods: ['plain', 'S256'],
  pkceRequired: false,
  issInAuthorizationResponse: 'absent',

  accessTokenProfile: 'Entra',
  tokenResponseExtras: { ext_expires_in: 3600 },
  idTokenAtRefresh: true,

  audienceParameters: [],
  resourceRefused: true,

  refreshTokenSeconds: 90 * 86_400,
  offlineTokenSeconds: 90 * 86_400,
  rotation: 'new one, old one stays',
  offlineAccessAtRefresh: true,

  errorResponses,
}

/** The form of every Entra error response: a description of several lines, and numeric codes. */
function aadsts(status: number, error: string, code: number, text: string): HttpResponse {
  const trace = '21a7ca08-0000-4000-8000-000000000002'
  const correlation = '55137716-0000-4000-8000-000000000003'
  const time = '2026-01-01 00:00:00Z'
  return json(status, {
    error,
    error_description: `AADSTS${code}: ${text}\r\nTrace ID: ${trace}\r\nCorrelation ID: ${correlation}\r\nTimestamp: ${time}`,
    error_codes: [code],
    timestamp: time,
    trace_id: trace,
    correlation_id: correlation,
    error_uri: `https://login.microsoftonline.com/error?code=${code}`,
  })
}

function unknownApplication(id: string): HttpResponse {
  return aadsts(
    400,
    'unauthorized_client',
    700016,
    `Application with identifier '${id}' was not found in the directory 'Test'.`,
  )
}

function unknownScope(scope: string): HttpResponse {
  return aadsts(
    400,
    'invalid_scope',
    70011,
    `The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
  )
}
