import { type ErrorResponses, errorResponse, rfcErrorResponses } from '../response.ts'
import type { Behaviour } from '../settings.ts'
import { conforming } from './conforming.ts'

const realm = '/realms/test'
const protocol = `${realm}/protocol/openid-connect`

const errorResponses: ErrorResponses = {
  ...rfcErrorResponses,
  clientUnknown: () => invalidClient(),
  clientSecretWrong: () => invalidClient(),
  clientSuspended: () => invalidClient(),
  deviceClientUnknown: () => invalidClient(),
  deviceGrantMissing: () =>
    errorResponse(
      401,
      'unauthorized_client',
      'Client is not allowed to initiate OAuth 2.0 Device Authorization Grant. The flow is disabled for the client.',
    ),
  deviceScope: (scope) => errorResponse(400, 'invalid_scope', `Invalid scopes: ${scope}`),
  // DeviceGrantType.java.
  devicePending: () =>
    errorResponse(400, 'authorization_pending', 'The authorization request is still pending'),
  deviceSlowDown: () => errorResponse(400, 'slow_down', 'Slow down'),
  deviceDenied: () =>
    errorResponse(400, 'access_denied', 'The end user denied the authorization request'),
  deviceExpired: () => errorResponse(400, 'expired_token', 'Device code is expired'),
  deviceUnknown: () => errorResponse(400, 'invalid_grant', 'Device code not valid'),
  codeInvalid: () => errorResponse(400, 'invalid_grant', 'Code not valid'),
  verifierWrong: () => errorResponse(400, 'invalid_grant', 'PKCE verification failed'),
  passwordWrong: () => errorResponse(401, 'invalid_grant', 'Invalid user credentials'),
  // TokenManager.java.
  refreshTokenDead: () => errorResponse(400, 'invalid_grant', 'Token is not active'),
  refreshTokenReused: () =>
    errorResponse(400, 'invalid_grant', 'Maximum allowed refresh token reuse exceeded'),
  scopeTooWide: (scope) => errorResponse(400, 'invalid_scope', `Invalid scopes: ${scope}`),
  scopeNotForClient: (scope) => errorResponse(400, 'invalid_scope', `Invalid scopes: ${scope}`),
  userInactive: () => errorResponse(400, 'invalid_grant', 'User disabled'),
  policyUnsigned: () => errorResponse(400, 'invalid_grant', 'Account is not fully set up'),
  registrationDenied: () =>
    errorResponse(
      403,
      'insufficient_scope',
      "Policy 'Trusted Hosts' rejected request to client-registration service. Details: Host not trusted.",
    ),
}

/**
 * Keycloak with a realm in its default configuration: refresh tokens stay valid after a rotation
 * ("Revoke Refresh Token" off; on is the rotation `new one, reuse revokes the family`), and an
 * audience comes from mappers of the client only (if one is configured for it, set
 * `audienceParameters` to `['audience']`).
 */
export const keycloak: Behaviour = {
  ...conforming,
  product: 'Keycloak',
  issuerPath: realm,
  paths: {
    discovery: `${realm}/.well-known/openid-configuration`,
    jwks: `${protocol}/certs`,
    authorization: `${protocol}/auth`,
    token: `${protocol}/token`,
    device: `${protocol}/auth/device`,
    verification: `${realm}/device`,
    registration: `${realm}/clients-registrations/openid-connect`,
    revocation: `${protocol}/revoke`,
    introspection: `${protocol}/token/introspect`,
    userinfo: `${protocol}/userinfo`,
  },
  onlyRegisteredAuthMethod: false,
  pkceMethods: ['plain', 'S256'],
  pkceRequired: false,

  // Anonymous registration is for trusted hosts, and by default there are none.
  registrationFor: 'initial access token',
  registrationTokenRotates: true,

  systemScopes: [
    'openid',
    'profile',
    'email',
    'offline_access',
    'roles',
    'web-origins',
    'compute.read',
    'compute.create',
    'storage.read:/',
  ],
  pathNarrowing: 'no',

  deviceInterval: 5,
  accessTokenProfile: 'Keycloak',
  accessTokenSeconds: 300,
  idTokenAtRefresh: true,
  tokenResponseExtras: { 'not-before-policy': 0, session_state: 'session-1' },

  audienceParameters: [],
  defaultAudience: 'account',

  // Every session has one; with offline_access it outlives the session, which 0 in the response means.
  refreshTokenFor: 'everyone',
  refreshTokenForm: 'signed JWT',
  refreshTokenSeconds: 1800,
  offlineTokenSeconds: 0,
  refreshExpiresInShown: true,
  rotation: 'new one, old one stays',

  errorResponses,
}

function invalidClient(): ReturnType<typeof errorResponse> {
  return errorResponse(401, 'invalid_client', 'Invalid client or Invalid client credentials')
}
