import type { JsonObject, RequestOf } from '../../protocol/messages.ts'
import { fieldText } from './account-field.ts'

/**
 * The request that deletes the client registered for an account (RFC 7592 §2.3); undefined where none
 * was registered for it.
 */
export function clientDeletion(fields: JsonObject): RequestOf<'delete_client'> | undefined {
  const uri = fieldText(fields, 'registration_client_uri')
  const token = fieldText(fields, 'registration_access_token')
  if (uri === undefined || token === undefined) return undefined
  return {
    request: 'delete_client',
    registration_client_uri: uri,
    registration_access_token: token,
    cert_path: fieldText(fields, 'cert_path'),
  }
}
