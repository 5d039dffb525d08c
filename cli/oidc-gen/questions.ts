import { words } from '../../protocol/storage/account.ts'
import {
  type AccountDirectory,
  checkAccountName,
} from '../../protocol/storage/account-directory.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import type { Io } from '../run.ts'
import { type Credentials, fieldText, fieldTexts, type MemberPlan } from './account-json.ts'
import type { GivenClientPlan } from './plan.ts'
import type { Prompter } from './prompter.ts'

/**
 * The short name of a new account. The person is asked again if the name is taken.
 * @throws AgentError `bad-request` if the name was given and is taken; `no-terminal`
 */
export async function newAccountName(
  given: string | undefined,
  directory: AccountDirectory | undefined,
  prompter: Prompter,
): Promise<string> {
  const exists = async (name: string): Promise<boolean> => (await directory?.has(name)) ?? false
  if (given !== undefined) {
    checkAccountName(given)
    if (await exists(given)) throw nameTaken(given)
    return given
  }
  for (;;) {
    const name = await askName(prompter)
    if (!(await exists(name))) return name
    prompter.say(alreadyConfigured)
  }
}

/**
 * The short name of a new account or of one that exists.
 * @throws AgentError `no-terminal`
 */
export async function askName(prompter: Prompter): Promise<string> {
  if (!prompter.mayAsk) throw new AgentError('no-terminal', 'No account short name given.')
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

function nameTaken(name: string): AgentError {
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

/** The redirect URIs of a client registered beforehand. Asked for only if the flow needs them. */
export async function chooseRedirectUris(
  { redirectUris, required }: MemberPlan,
  stored: JsonObject,
  prompter: Prompter,
): Promise<readonly string[]> {
  if (redirectUris.length > 0) return redirectUris
  const before = fieldTexts(stored, 'redirect_uris')
  if (required !== 'redirect-uris') return before
  return words(await prompter.ask(redirectUriQuestion, before.join(' ') || undefined))
}

/** What files say of a client, beside the options. */
export interface ClientSources {
  /** The file of -f. */
  readonly file: JsonObject
  /** The account's own file: its values are the defaults of the questions. */
  readonly stored: JsonObject
  /** `token_endpoint_auth_method` (RFC 7591 §2): from an option, else from the account's file. */
  readonly authMethod: string | undefined
}

/**
 * The members of an account for a client that was registered beforehand: from options, else from the
 * file of -f, else from the person.
 * @throws AgentError `no-terminal`
 */
export async function givenClient(
  plan: Extract<GivenClientPlan, { kind: 'preregistered' }>,
  sources: ClientSources,
  prompter: Prompter,
): Promise<JsonObject> {
  const { file, stored } = sources
  const storedId = fieldText(stored, 'client_id')
  const givenId = plan.id ?? fieldText(file, 'client_id')
  const client_id = givenId ?? (await prompter.ask(clientIdQuestion, storedId))
  const givenSecret = plan.secret ?? secretIn(file)
  const client_secret =
    givenSecret ?? (needsSecret(plan, sources) ? await askSecret(stored, prompter) : '')
  const isStored = client_id === storedId
  // A public client sends its id in another parameter.
  const uses_pub_client = plan.isPublic ? 1 : isStored ? (stored['uses_pub_client'] ?? 0) : 0
  // With the registration of the previous client, `oidc-gen -d` would delete the wrong client.
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

/** A file that names a client also has its secret, unless the client has none. */
function secretIn(file: JsonObject): string | undefined {
  return fieldText(file, 'client_id') === undefined
    ? undefined
    : (fieldText(file, 'client_secret') ?? '')
}

/** Whether the client authenticates with a secret, as far as that is known. */
function needsSecret(
  { isPublic }: { readonly isPublic: boolean },
  { stored, authMethod }: ClientSources,
): boolean {
  if (isPublic || authMethod === 'private_key_jwt' || authMethod === 'none') return false
  // The account's client has no secret, so it is not asked for again.
  return fieldText(stored, 'client_id') === undefined || stored['client_secret'] !== ''
}

function askSecret(stored: JsonObject, prompter: Prompter): Promise<string> {
  return prompter.askSecret(clientSecretQuestion, fieldText(stored, 'client_secret'))
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
 * The account with the person's user name and password at the provider, if the flow `password` is the
 * first choice (RFC 6749 §4.3). Asks for what no option gives. The agent keeps neither.
 * @throws AgentError `no-terminal`
 */
export async function withCredentials(
  fields: JsonObject,
  flows: readonly string[],
  given: Credentials,
  { prompter, stderr }: { readonly prompter: Prompter; readonly stderr: Io['stderr'] },
): Promise<JsonObject> {
  if (given.password !== undefined) {
    stderr.write(
      'Warning: --op-password could be seen by other users of this machine while oidc-gen started. Leave it out to be asked for it.\n',
    )
  }
  if (flows[0] !== 'password') return fields
  const username =
    given.username ?? fieldText(fields, 'username') ?? (await prompter.ask(usernameQuestion))
  const password =
    given.password ?? fieldText(fields, 'password') ?? (await prompter.askSecret(passwordQuestion))
  return { ...fields, username, password }
}
