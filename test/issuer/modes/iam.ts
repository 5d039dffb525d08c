import {
  bearerErrorResponse,
  type ErrorResponses,
  errorResponse,
  json,
  rfcErrorResponses,
} from '../response.ts'
import { type Behaviour, EXCHANGE_GRANT } from '../settings.ts'
import { conforming } from './conforming.ts'

/**
 * The form of Spring (wlcg.md §6, "Refresh", Errors): `{error, error_description}`, and with a 401 the
 * same again in `WWW-Authenticate: Bearer`.
 */
const errorResponses: ErrorResponses = {
  ...rfcErrorResponses,
  clientUnknown: () => bearerErrorResponse(401, 'invalid_client', 'Bad client credentials'),
  clientSecretWrong: () => bearerErrorResponse(401, 'invalid_client', 'Bad client credentials'),
  clientSuspended: (id) =>
    bearerErrorResponse(401, 'invalid_client', `Client has been suspended: ${id}`),
  clientMayNot: (grant) =>
    bearerErrorResponse(401, 'invalid_client', `Unauthorized grant type: ${grant}`),

  // "Device flow": an unknown client gets an empty body.
  deviceClientMissing: () => ({ status: 400, headers: {}, body: undefined }),
  deviceClientUnknown: () => ({ status: 404, headers: {}, body: undefined }),
  deviceGrantMissing: (id) =>
    bearerErrorResponse(401, 'invalid_client', `Unauthorized grant type: device code, for ${id}`),
  deviceScope: (_scope, id) =>
    errorResponse(
      400,
      'invalid_scope',
      `One or more requested scope is not allowed for client '${id}'`,
    ),
  devicePending: () => errorResponse(400, 'authorization_pending', 'Authorization pending'),
  deviceExpired: () => errorResponse(400, 'expired_token', 'Device code has expired'),
  deviceUnknown: () => errorResponse(400, 'invalid_grant', 'Invalid device code'),

  passwordWrong: () => errorResponse(400, 'invalid_grant', 'Bad credentials'),
  subjectTokenInvalid: (why) =>
    bearerErrorResponse(401, 'invalid_token', `Invalid access token: ${why}`),

  // "Refresh": not 400 invalid_grant, and with the refresh token in the description.
  refreshTokenDead: (token) =>
    bearerErrorResponse(401, 'invalid_token', `Invalid refresh token: ${token}`),
  refreshTokenReused: (token) =>
    bearerErrorResponse(401, 'invalid_token', `Invalid refresh token: ${token}`),
  scopeTooWide: () => errorResponse(400, 'invalid_scope', 'Up-scoping is not allowed.'),
  scopeNotForClient: (scope, id) =>
    errorResponse(400, 'invalid_scope', `Scope '${scope}' not allowed for client '${id}'`),
  scopeMalformed: (scope) =>
    errorResponse(400, 'invalid_scope', `Invalid WLCG group scope: ${scope}`),
  resourceMalformed: () => errorResponse(400, 'invalid_target'),
  resourceNotGranted: () =>
    errorResponse(400, 'invalid_target', 'The requested resource was not originally granted'),

  // Neither means that the refresh token is dead.
  userInactive: (user) => bearerErrorResponse(401, 'unauthorized', `User ${user} is not active.`),
  policyUnsigned: (user) =>
    errorResponse(
      400,
      'invalid_grant',
      `User ${user} needs to sign AUP for this organization in order to proceed.`,
    ),

  // "Dynamic registration": `error` is the reason in free text.
  registrationInvalid: (why) => json(400, { error: why }),
  registrationGrant: (grant) => json(400, { error: `Grant type not allowed: ${grant}` }),
  registrationDenied: () => json(403, { error: 'Access denied' }),
  registrationUnknown: (id) => json(404, { error: `Client not found: ${id}` }),
}

/** INDIGO IAM 1.12 (wlcg.md §6), as WLCG experiments and INFN run it. */
export const iam: Behaviour = {
  ...conforming,
  product: 'INDIGO IAM',

  // "Discovery, issuer": the issuer always ends in a slash, except in access tokens, which have the
  // configured text.
  issuerPath: '/',
  accessTokenIssuer: 'without trailing slash',
  paths: {
    ...conforming.paths,
    jwks: '/jwk',
    device: '/devicecode',
    registration: '/iam/api/client-registration',
  },
  metadata: {
    response_types_supported: ['code', 'token'],
    id_token_signing_alg_values_supported: ['HS256', 'HS384', 'HS512', 'RS256', 'none'],
    token_endpoint_auth_methods_supported: [
      'client_secret_post',
      'client_secret_basic',
      'client_secret_jwt',
      'private_key_jwt',
      'none',
    ],
  },
  onlyRegisteredAuthMethod: false,
  redirectUris: 'exact',
  pkceMethods: ['plain', 'S256'],
  pkceRequired: false,
  issInAuthorizationResponse: 'absent',

  // "Dynamic registration".
  registrationResponse: 'IAM',
  grantTypesWithheld: ['password', EXCHANGE_GRANT, 'client_credentials'],
  systemScopes: [
    ...conforming.systemScopes,
    'scim:read',
    'scim:write',
    'registration:read',
    'registration:write',
    'iam:admin.read',
    'iam:admin.write',
    'proxy:generate',
  ],
  restrictedScopes: ['scim:', 'registration:', 'iam:admin.', 'proxy:'],

  // "Device flow".
  deviceStartAuthenticates: false,
  deviceClientIdInForm: true,
  deviceInterval: undefined,
  deviceExpiresInShown: false,
  denialReported: false,

  // "JWT profile": tokens have a scope only if `wlcg` is among the client's registered scopes.
  accessTokenProfile: 'by registered scope',
  idTokenAtRefresh: true,

  // "Refresh", Audience: one parameter, a space-separated list.
  audienceParameters: ['resource', 'aud', 'audience'],
  repeatedAudienceRead: false,

  refreshTokenForm: 'unsigned JWT',
  rotation: 'same token comes back',
  earlierAccessTokensDeleted: true,
  foreignClientDeletesRefreshToken: true,

  tokenExchange: 'IAM',
  errorResponses,
}
