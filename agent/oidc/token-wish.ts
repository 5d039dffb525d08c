import { words } from '../../protocol/account.ts'
import type { Client, TokenWish } from './provider.ts'

/** The form fields that say what a token should be good for, in the provider's dialect. */
export function wishFields(wish: TokenWish, client: Client): URLSearchParams {
  const fields = new URLSearchParams()
  const scopes = words(wish.scope)
  const audiences = words(wish.audience)
  if (scopes.length > 0) fields.set('scope', scopes.join(' '))
  if (audiences.length === 0) return fields
  if (client.audienceParameter === 'resource') {
    // RFC 8707 §2: one parameter per resource.
    for (const audience of audiences) fields.append('resource', audience)
  } else {
    // IAM reads one list from one parameter and ignores a second one (wlcg.md §6, "Refresh").
    fields.set('audience', audiences.join(' '))
  }
  return fields
}
