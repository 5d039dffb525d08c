import type { AudienceParameter, ProviderConfig } from '../../protocol/storage/account.ts'

const DAY = 86_400

/** The rows of {@link profiles}, and {@link generic}. */
export type ProviderProfileName =
  | 'iam'
  | 'keycloak'
  | 'google'
  | 'entra'
  | 'cilogon'
  | 'egi'
  | 'helmholtz'
  | 'conforming'

/** The members of a discovery document by which a product is recognised. */
export interface PublishedEndpoints {
  readonly issuer: string
  readonly token_endpoint: string
  readonly authorization_endpoint?: string
  readonly device_authorization_endpoint?: string
  readonly registration_endpoint?: string
}

/** What is known about a product or a service, beyond what its discovery document says. */
export interface ProviderProfile {
  readonly name: ProviderProfileName
  /** What people call it. */
  readonly title: string
  /** Hosts of the issuers that are known to belong to it. */
  readonly host?: RegExp
  /** Tells it by its discovery document, where the host says nothing. */
  readonly recognise?: (document: PublishedEndpoints) => boolean
  readonly audienceParameter: AudienceParameter
  /** What goes along at a refresh that asks for scopes. */
  readonly refreshScope: 'omitted' | 'with offline_access'
  /** Whether a refresh may ask for scopes that the login did not (against RFC 6749 §6). */
  readonly allowsScopeUpgrade: boolean
  /** Where a person registers a client, where clients cannot do that themselves. */
  readonly clientsPage?: string
  /** How a refresh token is asked for. */
  readonly offlineAccess: 'offline_access' | 'access_type'
  /** Seconds a refresh token usually lives; undefined where nobody can say. */
  readonly refreshTokenSeconds: number | undefined
}

/** What the RFCs say, for providers nobody knows. */
const generic: ProviderProfile = {
  name: 'conforming',
  title: 'OpenID provider',
  // Ignored by who does not know it; a `resource` that was not granted at first is refused (RFC 8707).
  audienceParameter: 'audience',
  refreshScope: 'omitted',
  allowsScopeUpgrade: false,
  offlineAccess: 'offline_access',
  refreshTokenSeconds: undefined,
}

export const profiles: readonly ProviderProfile[] = [
  {
    ...generic,
    name: 'google',
    title: 'Google',
    host: /^accounts\.google\.com$/,
    recognise: ({ authorization_endpoint = '' }) =>
      authorization_endpoint.endsWith('/o/oauth2/v2/auth'),
    clientsPage: 'https://console.cloud.google.com/apis/credentials',
    offlineAccess: 'access_type',
  },
  {
    ...generic,
    name: 'entra',
    title: 'Microsoft Entra ID',
    host: /^(?:login\.microsoftonline\.(?:com|us)|sts\.windows\.net)$/,
    recognise: ({ token_endpoint }) => token_endpoint.endsWith('/oauth2/v2.0/token'),
    clientsPage: 'https://entra.microsoft.com/',
    audienceParameter: 'scope',
    refreshScope: 'with offline_access',
    // One refresh token for every API that was consented to, one API a token.
    allowsScopeUpgrade: true,
    refreshTokenSeconds: 90 * DAY,
  },
  {
    ...generic,
    name: 'cilogon',
    title: 'CILogon',
    host: /(?:^|\.)cilogon\.org$/,
    clientsPage: 'https://cilogon.org/oauth2/register',
  },
  {
    ...generic,
    name: 'egi',
    title: 'EGI Check-in',
    host: /^aai(?:-dev|-demo)?\.egi\.eu$/,
    clientsPage: 'https://aai.egi.eu/federation',
  },
  {
    ...generic,
    name: 'helmholtz',
    title: 'Helmholtz AAI',
    host: /^login(?:-dev)?\.helmholtz\.de$/,
    clientsPage: 'https://login.helmholtz.de/',
    // The C agent asks for it so, and is made next door.
    audienceParameter: 'resource',
  },
  {
    ...generic,
    name: 'iam',
    title: 'INDIGO IAM',
    host: /\.cloud\.cnaf\.infn\.it$|^(?:alice|atlas|cms|dteam|lhcb)-auth(?:\.web)?\.cern\.ch$/,
    recognise: ({ registration_endpoint = '', device_authorization_endpoint = '' }) =>
      registration_endpoint.endsWith('/iam/api/client-registration') ||
      device_authorization_endpoint.endsWith('/devicecode'),
    refreshTokenSeconds: 30 * DAY,
  },
  {
    ...generic,
    name: 'keycloak',
    title: 'Keycloak',
    recognise: ({ issuer, token_endpoint }) =>
      issuer.includes('/realms/') && token_endpoint.includes('/protocol/openid-connect/'),
  },
]

/** What the issuer files may call a provider. */
export function profileNamed(text: string): ProviderProfileName | undefined {
  return [...profiles, generic].find(({ name }) => name === text)?.name
}

/** The family of a provider: as was said of its address, else by its host, else by its document. */
export function detectProfile(
  { profile: said }: Pick<ProviderConfig, 'profile'>,
  document: PublishedEndpoints,
): ProviderProfile {
  if (said !== undefined) return profiles.find(({ name }) => name === said) ?? generic
  const { issuer } = document
  const host = URL.canParse(issuer) ? new URL(issuer).hostname : ''
  return (
    profiles.find((profile) => profile.host?.test(host) === true) ??
    profiles.find((profile) => profile.recognise?.(document) === true) ??
    generic
  )
}
