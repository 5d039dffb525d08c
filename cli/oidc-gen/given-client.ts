import type { JsonObject } from '../../protocol/messages.ts'
import { fieldText } from './account-field.ts'
import { extensionFields } from './own-fields.ts'
import type { GenContext } from './setting.ts'

/**
 * The members of an account for a client that was registered beforehand: as given by options or in
 * `file`, else asked for, with what `stored` has as the default.
 */
export async function givenClient(
  file: JsonObject,
  stored: JsonObject,
  context: GenContext,
): Promise<JsonObject> {
  const { options, prompter } = context
  const storedId = fieldText(stored, 'client_id')
  const givenId = options.clientId ?? fieldText(file, 'client_id')
  const client_id = givenId ?? (await prompter.ask(clientIdQuestion, storedId))
  const givenSecret = options.clientSecret ?? secretIn(file)
  const client_secret = givenSecret ?? (await askedSecret(stored, context))
  const isStored = client_id === storedId
  // A public client sends its id in another place.
  const uses_pub_client = options.pub ? 1 : isStored ? (stored['uses_pub_client'] ?? 0) : 0
  // What deletes the client that was there before must not be held against this one.
  const registration = isStored ? {} : noRegistration
  return { client_id, client_secret, uses_pub_client, ...registration }
}

const noRegistration = { registration_access_token: '', registration_client_uri: '' }

const clientIdQuestion = { label: 'client id', option: 'client-id', question: 'Client id' } as const
const clientSecretQuestion = {
  label: 'client secret',
  option: 'client-secret',
  question: "Client secret (for a client without one, use --client-secret='')",
} as const

/** A file that names a client has its secret, if there is one. */
function secretIn(file: JsonObject): string | undefined {
  return fieldText(file, 'client_id') === undefined
    ? undefined
    : (fieldText(file, 'client_secret') ?? '')
}

async function askedSecret(stored: JsonObject, { options, prompter }: GenContext): Promise<string> {
  // A public client is one that cannot keep a secret.
  if (options.pub || hasOtherProof(stored, options)) return ''
  // An account that has a client without secret is not asked for one again.
  if (fieldText(stored, 'client_id') !== undefined && stored['client_secret'] === '') return ''
  return await prompter.askSecret(clientSecretQuestion, fieldText(stored, 'client_secret'))
}

/** A client that shows who it is by a key, or by nothing. */
function hasOtherProof(stored: JsonObject, options: GenContext['options']): boolean {
  const method =
    extensionFields(options)['token_endpoint_auth_method'] ?? stored['token_endpoint_auth_method']
  return method === 'private_key_jwt' || method === 'none'
}
