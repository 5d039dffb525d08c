import { type ErrorResponses, errorResponse, rfcErrorResponses } from '../response.ts'
import { type Behaviour, DEVICE_GRANT } from '../settings.ts'
import { conforming } from './conforming.ts'

const errorResponses: ErrorResponses = {
  ...rfcErrorResponses,
  clientUnknown: () => errorResponse(401, 'invalid_client', 'The OAuth client was not found.'),
  clientSecretWrong: () => errorResponse(401, 'invalid_client', 'Unauthorized'),
  deviceClientUnknown: () =>
    errorResponse(401, 'invalid_client', 'The OAuth client was not found.'),
  deviceScope: (scope) =>
    errorResponse(400, 'invalid_scope', `Invalid device flow scope: ${scope}`),
  // OAuth 2.0 for TV and Limited-Input Device Applications, "Handle responses to polling requests".
  devicePending: () => errorResponse(428, 'authorization_pending', 'Precondition Required'),
  deviceSlowDown: () => errorResponse(403, 'slow_down', 'Forbidden'),
  deviceDenied: () => errorResponse(403, 'access_denied', 'Forbidden'),
  deviceUnknown: () => errorResponse(400, 'invalid_grant', 'Malformed device code.'),
  deviceExpired: () => errorResponse(400, 'expired_token', 'Expired'),
  codeInvalid: () => errorResponse(400, 'invalid_grant', 'Malformed auth code.'),
  refreshTokenDead: () => errorResponse(400, 'invalid_grant', 'Token has been expired or revoked.'),
  scopeTooWide: (scope) =>
    errorResponse(400, 'invalid_scope', `Some requested scopes were invalid: ${scope}`),
  userInactive: () => errorResponse(400, 'invalid_grant', 'Account has been deleted'),
}

/** Google: clients are created at its console, always with a secret; access tokens are opaque. */
export const google: Behaviour = {
  ...conforming,
  product: 'Google',
  paths: {
    discovery: '/.well-known/openid-configuration',
    jwks: '/oauth2/v3/certs',
    authorization: '/o/oauth2/v2/auth',
    token: '/token',
    device: '/device/code',
    verification: '/device',
    revocation: '/revoke',
    userinfo: '/v1/userinfo',
  },
  clientAuthMethods: ['client_secret_post', 'client_secret_basic'],
  onlyRegisteredAuthMethod: false,
  grantTypes: ['authorization_code', 'refresh_token', DEVICE_GRANT],

  // Google has no scope offline_access.
  systemScopes: ['openid', 'profile', 'email', 'https://www.googleapis.com/auth/drive.file'],
  pathNarrowing: 'no',

  // The client authenticates at the polls, not at the device authorization.
  deviceStartAuthenticates: false,
  deviceClientIdInForm: true,
  deviceUriMember: 'verification_url',
  deviceUriComplete: false,
  deviceInterval: 5,
  deviceCodeSeconds: 1800,

  pkceMethods: ['plain', 'S256'],
  pkceRequired: false,
  issInAuthorizationResponse: 'absent',

  accessTokenForm: 'opaque',
  accessTokenSeconds: 3599,
  idTokenSeconds: 3599,
  idTokenAtRefresh: true,

  audienceParameters: [],

  refreshTokenFor: 'access_type=offline',
  refreshTokenSeconds: 0,
  rotation: 'no token comes back',

  errorResponses,
}
