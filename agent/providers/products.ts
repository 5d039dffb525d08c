import type { ProviderConfig } from '../../protocol/storage/account.ts'
import {
  generic,
  PROVIDER_ADDRESS,
  type ProviderProfile,
  type PublishedEndpoints,
  sharedHints,
  UNAUTHORIZED,
} from './profiles.ts'

const DAY = 86_400

const google: ProviderProfile = {
  ...generic,
  name: 'google',
  title: 'Google',
  host: /^accounts\.google\.com$/,
  matchesDocument: ({ authorization_endpoint = '' }) =>
    authorization_endpoint.endsWith('/o/oauth2/v2/auth'),
  clientsPage: 'https://console.cloud.google.com/apis/credentials',
  // `offline_access` is an unknown scope there, for which the whole request is refused.
  offlineAccess: 'access_type',
}

const entra: ProviderProfile = {
  ...generic,
  name: 'entra',
  title: 'Microsoft Entra ID',
  host: /^(?:login\.microsoftonline\.(?:com|us)|sts\.windows\.net)$/,
  matchesDocument: ({ token_endpoint }) => token_endpoint.endsWith('/oauth2/v2.0/token'),
  clientsPage: 'https://entra.microsoft.com/',
  audienceParameter: 'scope',
  refreshScope: 'with offline_access',
  // One refresh token is valid for every API that was consented to; a token is for one API.
  allowsScopeUpgrade: true,
  refreshTokenSeconds: 90 * DAY,
  errors: {
    // Consent, a second factor, conditional access.
    userAction: [
      { description: /AADSTS(?:50076|50079|65001|5300[0-4])\b/, code: 'policy-to-accept' },
    ],
    // The user is locked or disabled.
    userStatus: [
      {
        error: UNAUTHORIZED,
        description: /AADSTS500(?:53|57)\b/i,
        code: 'user-inactive',
        hint: sharedHints.userInactive,
      },
    ],
    clock: [
      {
        error: /^invalid_(?:client|grant)$/,
        description: /AADSTS700024\b/i,
        code: 'wrong-clock',
        hint: sharedHints.wrongClock,
      },
    ],
    // The application is not in the directory.
    client: [{ description: /AADSTS700016\b/, code: 'invalid-client' }],
  },
}

const cilogon: ProviderProfile = {
  ...generic,
  name: 'cilogon',
  title: 'CILogon',
  host: /(?:^|\.)cilogon\.org$/,
  clientsPage: 'https://cilogon.org/oauth2/register',
  errors: {
    // The error is `access_denied` if a policy withholds all requested scopes.
    scope: [{ description: /\bno scopes? found\b/i, code: 'invalid-scope' }],
  },
}

const egi: ProviderProfile = {
  ...generic,
  name: 'egi',
  title: 'EGI Check-in',
  host: /^aai(?:-dev|-demo)?\.egi\.eu$/,
  clientsPage: 'https://aai.egi.eu/federation',
}

const helmholtz: ProviderProfile = {
  ...generic,
  name: 'helmholtz',
  title: 'Helmholtz AAI',
  host: /^login(?:-dev)?\.helmholtz\.de$/,
  clientsPage: 'https://login.helmholtz.de/',
  // The C agent, by the same institute, uses this parameter there.
  audienceParameter: 'resource',
}

const iam: ProviderProfile = {
  ...generic,
  name: 'iam',
  title: 'INDIGO IAM',
  host: /\.cloud\.cnaf\.infn\.it$|^(?:alice|atlas|cms|dteam|lhcb)-auth(?:\.web)?\.cern\.ch$/,
  matchesDocument: ({ registration_endpoint = '', device_authorization_endpoint = '' }) =>
    registration_endpoint.endsWith('/iam/api/client-registration') ||
    device_authorization_endpoint.endsWith('/devicecode'),
  refreshTokenSeconds: 30 * DAY,
  // Some grant types need a signed-in user at registration.
  refusedGrantType: /grant type not allowed: (\S+)/i,
  errors: {
    // "User … needs to sign AUP for this organization in order to proceed."
    userAction: [
      {
        description: /\bAUP\b|acceptable use policy|terms (?:of (?:use|service)|and conditions)/i,
        code: 'policy-to-accept',
        hint: `Sign in at ${PROVIDER_ADDRESS} and accept its terms of use; then try again. The login of this account stays valid.`,
      },
    ],
    client: [
      // A device authorization of an unknown client: 404 without an error response (wlcg.md §6).
      {
        purposes: ['device authorization'],
        statuses: [404],
        error: /^$/,
        code: 'invalid-client',
      },
      {
        error: UNAUTHORIZED,
        description: /\bclient\b.*\bsuspended\b/i,
        code: 'invalid-client',
        hint: 'The provider has suspended this client. Ask its administrators.',
      },
      // The error is `invalid_client` here, too.
      {
        error: UNAUTHORIZED,
        description: /unauthorized grant type/i,
        code: 'client-not-allowed',
        hint: sharedHints.clientNotAllowed,
      },
    ],
    // A scope policy withholds scopes that the user consented to. `invalid_scope` has a hint of its own.
    scope: [
      {
        error: /^(?!invalid_scope$)/,
        description: /changes were detected from the original authorization request/i,
        code: 'invalid-scope',
        hint: 'A scope policy of the provider does not allow this user all of these scopes. Request fewer scopes.',
      },
    ],
  },
}

const keycloak: ProviderProfile = {
  ...generic,
  name: 'keycloak',
  title: 'Keycloak',
  matchesDocument: ({ issuer, token_endpoint }) =>
    issuer.includes('/realms/') && token_endpoint.includes('/protocol/openid-connect/'),
  errors: {
    // Required actions, such as a new password or terms to accept.
    userAction: [
      {
        description: /account is not fully set up/i,
        code: 'policy-to-accept',
        hint: `Sign in at ${PROVIDER_ADDRESS} and complete the steps it requires; then try again. The login of this account stays valid.`,
      },
    ],
  },
}

/** All known products. The first whose host or document matches is the one. */
export const products: readonly ProviderProfile[] = [
  google,
  entra,
  cilogon,
  egi,
  helmholtz,
  iam,
  keycloak,
]

/** The name of the generic profile in the issuer.config of earlier versions. */
const GENERIC_ALIAS = 'conforming'

/** The profile that `provider` in issuer.config names; undefined if the name is unknown. */
export function profileNamed(name: string): ProviderProfile | undefined {
  if (name === GENERIC_ALIAS) return generic
  return [...products, generic].find((profile) => profile.name === name)
}

/** The profile of a provider: the configured one, else by its host, else by its discovery document. */
export function detectProfile(
  { profile: configured }: Pick<ProviderConfig, 'profile'>,
  document: PublishedEndpoints,
): ProviderProfile {
  if (configured !== undefined) return profileNamed(configured) ?? generic
  const { issuer } = document
  const host = URL.canParse(issuer) ? new URL(issuer).hostname : ''
  return (
    products.find((profile) => profile.host?.test(host) === true) ??
    products.find((profile) => profile.matchesDocument?.(document) === true) ??
    generic
  )
}

/** The grant type for which a registration is refused with `message`; undefined if it is another reason. */
export function refusedGrantType(message: string): string | undefined {
  return products
    .map((profile) => profile.refusedGrantType?.exec(message)?.[1])
    .find((grantType) => grantType !== undefined)
}
