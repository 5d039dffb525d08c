import type { Behaviour } from '../behaviour.ts'
import { bearerRefusal, type Refusals, refusal, rfcRefusals } from '../error-responses.ts'
import { EXCHANGE_GRANT } from '../grant-types.ts'
import { json } from '../response.ts'
import { conforming } from './conforming.ts'

/**
 * Spring's shape (wlcg.md §6, "Refresh", Errors): `{error, error_description}`, and at a 401 the
 * same again in `WWW-Authenticate: Bearer`.
 */
const refusals: Refusals = {
  ...rfcRefusals,
  clientUnknown: () => bearerRefusal(401, 'invalid_client', 'Bad client credentials'),
  clientSecretWrong: () => bearerRefusal(401, 'invalid_client', 'Bad client credentials'),
  clientSuspended: (id) => bearerRefusal(401, 'invalid_client', `Client has been suspended: ${id}`),
  clientMayNot: (grant) =>
    bearerRefusal(401, 'invalid_client', `Unauthorized grant type: ${grant}`),

  // "Device flow": a client nobody knows gets no words at all.
  deviceClientMissing: () => ({ status: 400, headers: {}, body: undefined }),
  deviceClientUnknown: () => ({ status: 404, headers: {}, body: undefined }),
  deviceGrantMissing: (id) =>
    bearerRefusal(401, 'invalid_client', `Unauthorized grant type: device code, for ${id}`),
  deviceScope: (_scope, id) =>
    refusal(400, 'invalid_scope', `One or more requested scope is not allowed for client '${id}'`),
  devicePending: () => refusal(400, 'authorization_pending', 'Authorization pending'),
  deviceExpired: () => refusal(400, 'expired_token', 'Device code has expired'),
  deviceUnknown: () => refusal(400, 'invalid_grant', 'Invalid device code'),

  passwordWrong: () => refusal(400, 'invalid_grant', 'Bad credentials'),
  subjectTokenInvalid: (why) => bearerRefusal(401, 'invalid_token', `Invalid access token: ${why}`),

  // "Refresh": not 400 invalid_grant, and with the token itself in the text.
  refreshTokenDead: (token) =>
    bearerRefusal(401, 'invalid_token', `Invalid refresh token: ${token}`),
  refreshTokenReused: (token) =>
    bearerRefusal(401, 'invalid_token', `Invalid refresh token: ${token}`),
  scopeTooWide: () => refusal(400, 'invalid_scope', 'Up-scoping is not allowed.'),
  scopeNotForClient: (scope, id) =>
    refusal(400, 'invalid_scope', `Scope '${scope}' not allowed for client '${id}'`),
  scopeMalformed: (scope) => refusal(400, 'invalid_scope', `Invalid WLCG group scope: ${scope}`),
  resourceMalformed: () => refusal(400, 'invalid_target'),
  resourceNotGranted: () =>
    refusal(400, 'invalid_target', 'The requested resource was not originally granted'),

  // Neither means that the refresh token is dead.
  userInactive: (user) => bearerRefusal(401, 'unauthorized', `User ${user} is not active.`),
  policyUnsigned: (user) =>
    refusal(
      400,
      'invalid_grant',
      `User ${user} needs to sign AUP for this organization in order to proceed.`,
    ),

  // "Dynamic registration": the reason stands in `error`, in free text.
  registrationInvalid: (why) => json(400, { error: why }),
  registrationGrant: (grant) => json(400, { error: `Grant type not allowed: ${grant}` }),
  registrationDenied: () => json(403, { error: 'Access denied' }),
  registrationUnknown: (id) => json(404, { error: `Client not found: ${id}` }),
}

/** INDIGO IAM 1.12 (wlcg.md §6), as WLCG experiments and INFN run it. */
export const iam: Behaviour = {
  ...conforming,
  product: 'INDIGO IAM',

  // "Discovery, issuer": always a slash at the end, but for the access token's, which is the
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
  registrationAnswer: 'IAM',
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

  // "JWT profile": only with `wlcg` among the client's registered scopes do its tokens have a scope.
  accessTokenProfile: 'by registered scope',
  idTokenAtRefresh: true,

  // "Refresh", Audience: one parameter, a space separated list.
  audienceParameters: ['resource', 'aud', 'audience'],
  repeatedAudienceRead: false,

  refreshTokenForm: 'unsigned JWT',
  rotation: 'same token comes back',
  earlierAccessTokensDeleted: true,
  foreignClientDeletesRefreshToken: true,

  tokenExchange: 'IAM',
  refusals,
}
