import { words } from '../../protocol/storage/account.ts'
import {
  type AccountDirectory,
  checkAccountName,
} from '../../protocol/storage/account-directory.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import { extensionFields, fieldText, fieldTexts, redirectUris } from './account-json.ts'
import type { GenContext } from './context.ts'

/**
 * The short name of an account that is to be made.
 * @throws AgentError `bad-request` where it was given and there is such an account; a person who
 *   was asked is asked again.
 */
export async function newAccountName(
  given: string | undefined,
  directory: AccountDirectory | undefined,
  context: GenContext,
): Promise<string> {
  const exists = async (name: string): Promise<boolean> => (await directory?.has(name)) ?? false
  if (given !== undefined) {
    checkAccountName(given)
    if (await exists(given)) throw configured(given)
    return given
  }
  for (;;) {
    const name = await askName(context)
    if (!(await exists(name))) return name
    context.prompter.say(alreadyConfigured)
  }
}

/** The short name of an account that may exist. */
export async function askName({ prompter, options }: GenContext): Promise<string> {
  if (options.prompt === 'none') {
    throw new AgentError('no-terminal', 'No account short name given.')
  }
  for (;;) {
    const name = await prompter.ask(nameQuestion)
    const fault = faultOf(name)
    if (fault === undefined) return name
    prompter.say(fault)
  }
}

const nameQuestion = {
  label: 'short name',
  option: 'account',
  question: 'Enter short name for the account to configure',
} as const

/** Why no account can have this name. */
function faultOf(name: string): string | undefined {
  try {
    checkAccountName(name)
    return undefined
  } catch (error) {
    if (error instanceof AgentError) return error.message
    throw error
  }
}

const alreadyConfigured = 'An account with that shortname is already configured'

function configured(name: string): AgentError {
  return new AgentError('bad-request', alreadyConfigured, {
    hint: [
      'For a new refresh token run',
      `\t$ oidc-gen --reauthenticate ${shellQuote(name)}`,
      'to change it',
      `\t$ oidc-gen -m ${shellQuote(name)}`,
      'and to delete it',
      `\t$ oidc-gen -d ${shellQuote(name)}`,
    ].join('\n'),
  })
}

const redirectUriQuestion = {
  label: 'redirect uri',
  option: 'redirect-uri',
  question: 'Redirect_uris (space separated)',
} as const

/** The redirect URIs of a client registered beforehand; the flow `code` alone cannot do without. */
export async function chooseRedirectUris(
  stored: JsonObject,
  context: GenContext,
): Promise<readonly string[]> {
  const given = redirectUris(context)
  if (given.length > 0) return given
  const before = fieldTexts(stored, 'redirect_uris')
  if (context.options.flow[0] !== 'code') return before
  return words(await context.prompter.ask(redirectUriQuestion, before.join(' ') || undefined))
}

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

const usernameQuestion = {
  label: 'username',
  option: 'op-username',
  question: 'Username',
} as const
const passwordQuestion = {
  label: 'password',
  option: 'op-password',
  question: 'Password',
} as const

/**
 * The account with the person's name and password at the provider, where the flow `password` is the
 * first choice (RFC 6749 §4.3); what no option gives is asked for. The agent keeps neither.
 */
export async function withCredentials(
  fields: JsonObject,
  flows: readonly string[],
  { options, prompter, io }: GenContext,
): Promise<JsonObject> {
  if (options.password !== undefined) {
    io.stderr.write(
      'Warning: --op-password could be seen by other users of this machine while oidc-gen started. Leave it out to be asked for it.\n',
    )
  }
  if (flows[0] !== 'password') return fields
  const username =
    options.username ?? fieldText(fields, 'username') ?? (await prompter.ask(usernameQuestion))
  const password =
    options.password ??
    fieldText(fields, 'password') ??
    (await prompter.askSecret(passwordQuestion))
  return { ...fields, username, password }
}
