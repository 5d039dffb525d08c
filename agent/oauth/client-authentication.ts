import type * as openid from 'openid-client'
import type { DiscoveryDocument } from './discovery.ts'
import type { Client } from './provider.ts'

/** How a client shows who it is at the token endpoint (RFC 6749 §2.3, OpenID Connect Core §9). */
export type AuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'

const chosen = {
  none: 'none',
  basic: 'client_secret_basic',
  post: 'client_secret_post',
  private_key_jwt: 'private_key_jwt',
} as const satisfies Readonly<Record<string, AuthMethod>>

/**
 * The methods to try for a client, in this order. Where nothing was chosen, a public client names
 * itself in the form, with its secret where it has one (protocol.md §4); others use Basic, unless the
 * provider takes only the form. Where it takes both, the client may be registered for the second.
 */
export function authMethodsFor(
  { authentication, secret, isPublic }: Client,
  document: DiscoveryDocument,
): readonly [AuthMethod, ...AuthMethod[]] {
  if (authentication.kind !== 'automatic') return [chosen[authentication.kind]]
  if (secret === undefined) return ['none']
  if (isPublic) return ['client_secret_post']
  const first = confidentialMethod(document)
  const takesForm = supportedIn(document).includes('client_secret_post')
  return first === 'client_secret_basic' && takesForm ? [first, 'client_secret_post'] : [first]
}

/** RFC 8414 §2: a provider that lists no methods takes Basic. */
export function confidentialMethod(document: DiscoveryDocument): AuthMethod {
  const supported = supportedIn(document)
  const onlyForm =
    supported.includes('client_secret_post') && !supported.includes('client_secret_basic')
  return onlyForm ? 'client_secret_post' : 'client_secret_basic'
}

/** Puts the client's identity into a request, as openid-client wants it done. */
export async function authenticate(
  client: Client,
  method: AuthMethod,
  document: DiscoveryDocument,
  library: typeof openid,
): Promise<openid.ClientAuth> {
  const { authentication } = client
  if (authentication.kind !== 'private_key_jwt') return withSecret(client, method)
  // jose is loaded for those who sign only.
  const { readSigningKey } = await import('./private-key.ts')
  const { key, algorithm, kid } = await readSigningKey(
    authentication.keyFile,
    document.token_endpoint_auth_signing_alg_values_supported ?? [],
  )
  return library.PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
    [library.modifyAssertion]: (header) => {
      header['alg'] = algorithm
    },
  })
}

function withSecret(client: Client, method: AuthMethod): openid.ClientAuth {
  const secret = client.secret?.reveal() ?? ''
  return (_server, _client, body, headers) => {
    if (method === 'client_secret_basic') {
      const pair = `${basicPart(client.id).replaceAll(':', '%3A')}:${basicPart(secret)}`
      headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`)
      return
    }
    body.set('client_id', client.id)
    if (method === 'client_secret_post') body.set('client_secret', secret)
  }
}

function supportedIn(document: DiscoveryDocument): readonly string[] {
  return document.token_endpoint_auth_methods_supported ?? []
}

/**
 * RFC 6749 §2.3.1 wants id and secret form-encoded before Base64, but Spring-based providers such as
 * IAM do not decode them, and openid-client encodes even the hyphens of a UUID. So only what would
 * be read as something else by those who do decode is encoded.
 */
function basicPart(text: string): string {
  return text.replace(/[%+\s]|[^\x20-\x7e]+/g, (part) => encodeURIComponent(part))
}
