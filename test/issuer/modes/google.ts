import type { Behaviour } from '../behaviour.ts'
import { type Refusals, refusal, rfcRefusals } from '../error-responses.ts'
import { DEVICE_GRANT } from '../grant-types.ts'
import { conforming } from './conforming.ts'

const refusals: Refusals = {
  ...rfcRefusals,
  clientUnknown: () => refusal(401, 'invalid_client', 'The OAuth client was not found.'),
  clientSecretWrong: () => refusal(401, 'invalid_client', 'Unauthorized'),
  deviceClientUnknown: () => refusal(401, 'invalid_client', 'The OAuth client was not found.'),
  deviceScope: (scope) => refusal(400, 'invalid_scope', `Invalid device flow scope: ${scope}`),
  // OAuth 2.0 for TV and Limited-Input Device Applications, "Handle responses to polling requests".
  devicePending: () => refusal(428, 'authorization_pending', 'Precondition Required'),
  deviceSlowDown: () => refusal(403, 'slow_down', 'Forbidden'),
  deviceDenied: () => refusal(403, 'access_denied', 'Forbidden'),
  deviceUnknown: () => refusal(400, 'invalid_grant', 'Malformed device code.'),
  deviceExpired: () => refusal(400, 'expired_token', 'Expired'),
  codeInvalid: () => refusal(400, 'invalid_grant', 'Malformed auth code.'),
  refreshTokenDead: () => refusal(400, 'invalid_grant', 'Token has been expired or revoked.'),
  scopeTooWide: (scope) =>
    refusal(400, 'invalid_scope', `Some requested scopes were invalid: ${scope}`),
  userInactive: () => refusal(400, 'invalid_grant', 'Account has been deleted'),
}

/** Google: clients are made by hand at its console, always with a secret; tokens are opaque. */
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

  // No offline_access: it is an unknown scope here.
  systemScopes: ['openid', 'profile', 'email', 'https://www.googleapis.com/auth/drive.file'],
  pathNarrowing: 'no',

  // The secret is wanted with the polls, not at the start.
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

  refusals,
}
