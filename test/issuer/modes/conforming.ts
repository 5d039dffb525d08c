import { rfcErrorResponses } from '../response.ts'
import { ALL_GRANTS, type Behaviour } from '../settings.ts'

const MONTH = 30 * 86_400

/** A provider that follows the RFCs and takes the simplest of their choices. Other modes state the differences. */
export const conforming: Behaviour = {
  product: 'a conforming provider',

  issuerPath: '',
  accessTokenIssuer: 'as published',
  paths: {
    discovery: '/.well-known/openid-configuration',
    jwks: '/jwks',
    authorization: '/authorize',
    token: '/token',
    device: '/device_authorization',
    verification: '/device',
    registration: '/register',
    revocation: '/revoke',
    introspection: '/introspect',
    userinfo: '/userinfo',
  },
  metadata: {},

  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  onlyRegisteredAuthMethod: true,
  secretOfPublicClient: 'ignored',
  redirectUris: 'any loopback port',
  grantTypes: ALL_GRANTS,

  registrationFor: 'anyone',
  registrationResponse: 'RFC 7591',
  grantTypesWithheld: [],
  registrationTokenRotates: false,

  systemScopes: [
    'openid',
    'profile',
    'email',
    'offline_access',
    'wlcg',
    'wlcg.groups',
    'compute.read',
    'compute.create',
    'compute.modify',
    'compute.cancel',
    'storage.read:/',
    'storage.create:/',
    'storage.modify:/',
    'storage.stage:/',
  ],
  restrictedScopes: [],
  pathNarrowing: 'plain prefix',
  scopeUpgrade: 'refused',
  audienceFromScope: false,

  deviceStartAuthenticates: true,
  deviceClientIdInForm: false,
  deviceUriMember: 'verification_uri',
  deviceUriComplete: true,
  deviceInterval: 1,
  deviceExpiresInShown: true,
  deviceMessage: false,
  deviceCodeSeconds: 600,
  denialReported: true,

  pkceMethods: ['S256'],
  pkceRequired: true,
  codeSeconds: 60,
  issInAuthorizationResponse: 'right',

  accessTokenForm: 'JWT',
  accessTokenProfile: 'WLCG',
  accessTokenSeconds: 3600,
  idTokenSeconds: 600,
  idTokenAtRefresh: false,
  tokenResponseExtras: {},

  audienceParameters: ['resource', 'audience'],
  repeatedAudienceRead: true,
  resourceRefused: false,
  defaultAudience: undefined,

  refreshTokenFor: 'offline_access',
  refreshTokenForm: 'opaque',
  refreshTokenSeconds: MONTH,
  offlineTokenSeconds: MONTH,
  refreshExpiresInShown: false,
  rotation: 'no token comes back',
  offlineAccessAtRefresh: false,
  earlierAccessTokensDeleted: false,
  foreignClientDeletesRefreshToken: false,

  tokenExchange: 'RFC 8693',

  errorResponses: rfcErrorResponses,
}

/** A provider that follows RFC 9700 §4.14.2: using an old refresh token revokes all of the grant. */
export const rotating: Behaviour = {
  ...conforming,
  product: 'a provider that rotates',
  rotation: 'new one, reuse revokes the family',
}
