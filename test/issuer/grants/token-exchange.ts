import { createLocalJWKSet, errors, jwtVerify } from 'jose'
import { newGrant } from '../new-grant.ts'
import { type Provider, refuse, secondsNow } from '../provider.ts'
import type { ReceivedRequest } from '../received-request.ts'
import { words } from '../scopes.ts'
import type { KnownClient } from '../store.ts'
import { tokenAnswer } from '../token-response.ts'
import { field, type GrantHandler } from './grant-handler.ts'

const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt'

/**
 * RFC 8693 §2. The subject token is an access token of this provider, or a JWT of the platform it
 * trusts, as the ones a CI job is handed.
 */
export const tokenExchange: GrantHandler = async (provider, client, request) => {
  const subjectToken = field(provider, request, 'subject_token')
  field(provider, request, 'subject_token_type')
  if (provider.settings.tokenExchange === 'IAM') checkAsIam(provider, client, request)
  const subject = await subjectOf(provider, subjectToken)
  const grant = newGrant(provider, client, request.fields, { subject })
  return tokenAnswer(provider, grant, grant, { members: { issued_token_type: JWT_TYPE } })
}

/** wlcg.md §6, "Token exchange": the scope must be named, an actor must not. */
function checkAsIam(provider: Provider, client: KnownClient, request: ReceivedRequest): void {
  const scope = words(field(provider, request, 'scope'))
  if (request.form['actor_token'] !== undefined) {
    refuse(provider, 'subjectTokenInvalid', 'actor_token is not supported')
  }
  const exchanged = provider.store.accessTokens.get(request.form['subject_token'] ?? '')
  if (exchanged?.grant.clientId === client.id && scope.includes('offline_access')) {
    refuse(provider, 'scopeNotForClient', 'offline_access', client.id)
  }
}

async function subjectOf(provider: Provider, token: string): Promise<string> {
  const known = provider.store.accessTokens.get(token)
  if (known !== undefined) return known.grant.subject
  try {
    const { payload } = await jwtVerify(
      token,
      createLocalJWKSet({ keys: [provider.platformKey.jwk] }),
      {
        currentDate: new Date(secondsNow(provider) * 1000),
      },
    )
    return payload.sub ?? refuse(provider, 'subjectTokenInvalid', 'no sub')
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    return refuse(provider, 'subjectTokenInvalid', error.message)
  }
}
