import type { ClientAuth } from 'openid-client'
import type { DiscoveryDocument } from './discovery.ts'
import type { Client } from './provider.ts'

/** How a client shows who it is at the token endpoint (RFC 6749 §2.3, OpenID Connect Core §9). */
export type AuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post'

/**
 * The method for a client. A public client names itself in the form, with its secret where it has
 * one (protocol.md §4); others use Basic, unless the provider says that it takes only the form.
 */
export function authMethodFor(client: Client, document: DiscoveryDocument): AuthMethod {
  if (client.secret === undefined) return 'none'
  if (client.isPublic) return 'client_secret_post'
  return confidentialMethod(document)
}

/** RFC 8414 §2: a provider that lists no methods takes Basic. */
export function confidentialMethod(document: DiscoveryDocument): AuthMethod {
  const supported = document.token_endpoint_auth_methods_supported ?? []
  const onlyForm =
    supported.includes('client_secret_post') && !supported.includes('client_secret_basic')
  return onlyForm ? 'client_secret_post' : 'client_secret_basic'
}

/** Puts the client's identity into a request, as openid-client wants it done. */
export function authenticate(client: Client, method: AuthMethod): ClientAuth {
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

/**
 * RFC 6749 §2.3.1 wants id and secret form-encoded before Base64, but Spring-based providers such as
 * IAM do not decode them, and openid-client encodes even the hyphens of a UUID. So only what would
 * be read as something else by those who do decode is encoded.
 */
function basicPart(text: string): string {
  return text.replace(/[%+\s]|[^\x20-\x7e]+/g, (part) => encodeURIComponent(part))
}
