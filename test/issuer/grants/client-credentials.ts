import { newGrant } from '../new-grant.ts'
import { refuse } from '../provider.ts'
import { tokenAnswer } from '../token-response.ts'
import type { GrantHandler } from './grant-handler.ts'

/** RFC 6749 §4.4: for clients that can prove who they are, and without a refresh token. */
export const clientCredentials: GrantHandler = async (provider, client, request) => {
  if (client.authMethod === 'none')
    refuse(provider, 'clientMayNot', 'client_credentials', client.id)
  const grant = newGrant(provider, client, request.fields, { subject: client.id })
  return tokenAnswer(provider, grant, grant, {})
}
