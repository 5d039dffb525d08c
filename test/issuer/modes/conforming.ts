import type { Behaviour } from '../behaviour.ts'
import { rfcRefusals } from '../error-responses.ts'
import { ALL_GRANTS } from '../grant-types.ts'

const MONTH = 30 * 86_400

/** What the RFCs describe where they leave a choice: the plain one. Other modes say what differs. */
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
  registrationAnswer: 'RFC 7591',
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
  widening: 'refused',
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
  tokenAnswerExtras: {},

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

  refusals: rfcRefusals,
}
