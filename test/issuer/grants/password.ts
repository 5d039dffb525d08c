import { newGrant } from '../new-grant.ts'
import { refuse } from '../provider.ts'
import { firstTokens } from './first-tokens.ts'
import { field, type GrantHandler } from './grant-handler.ts'

/** RFC 6749 §4.3. */
export const password: GrantHandler = async (provider, client, request) => {
  const name = field(provider, request, 'username')
  const right = provider.settings.passwords[name]
  const given = field(provider, request, 'password')
  if (right === undefined || right !== given) refuse(provider, 'passwordWrong')
  const grant = newGrant(provider, client, request.fields, { subject: name })
  return firstTokens(provider, client, grant)
}
