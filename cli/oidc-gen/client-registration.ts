import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { words } from '../../protocol/storage/account.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import type { JsonObject, RequestOf } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import type { Io } from '../run.ts'
import { type AccountBasis, fieldText } from './account-json.ts'
import { publicClient } from './issuer.ts'

/** How long the provider may take to delete a client that is not needed after all. */
const WITHDRAW_TIMEOUT_MS = 10_000

/** Errors by which the provider refuses this registration for good. After others it may be tried again. */
const refusals: readonly ErrorCode[] = [
  'provider-answer',
  'provider-status',
  'provider-error',
  'invalid-client',
  'client-not-allowed',
  'invalid-request',
  'invalid-scope',
  'unsupported-by-provider',
  'not-implemented',
]

/** What the registration depends on beside the account. */
interface Registration {
  /** For these the client is registered. */
  readonly flows: readonly string[]
  readonly initialAccessToken: string | undefined
}

/**
 * The account with a client registered for it (RFC 7591). If the provider refuses and the issuer files
 * give a public client, with that.
 * @throws AgentError why the registration failed
 */
export async function withRegisteredClient(
  draft: JsonObject,
  basis: AccountBasis,
  { flows, initialAccessToken }: Registration,
  { agent, io }: { readonly agent: AgentAddress | undefined; readonly io: Io },
): Promise<JsonObject> {
  io.stdout.write('Registering Client ...\n')
  try {
    const { client } = await callAgent(agent, {
      request: 'register',
      config: draft,
      flow: flows,
      authorization: initialAccessToken,
    })
    return withGrantedScope(withClient(draft, client), client, io)
  } catch (error) {
    if (!(error instanceof AgentError) || !refusals.includes(error.code)) throw error
    if (basis.issuer.known?.publicClient === undefined) throw unregistered(error, basis)
    io.stderr.write(
      `The following error occurred during dynamic client registration:\n${error.message}\n`,
    )
    io.stderr.write('Try using a public client ...\n')
    return { ...draft, ...publicClient(basis.issuer) }
  }
}

/**
 * The draft with the members that the provider returned for the client: id, secret, redirect URIs, and
 * those that deleting it needs (RFC 7592). Other members of the draft stay as they are.
 */
function withClient(draft: JsonObject, client: JsonObject): JsonObject {
  const theirs = ['client_id', 'client_secret', 'redirect_uris']
  const taken = Object.entries(client).filter(
    ([key]) => theirs.includes(key) || !Object.hasOwn(draft, key),
  )
  return { ...draft, ...Object.fromEntries(taken) }
}

/** A login that requests a scope which the client may not have would fail. */
function withGrantedScope(
  fields: JsonObject,
  client: JsonObject,
  { stderr }: Pick<Io, 'stderr'>,
): JsonObject {
  const asked = words(fieldText(fields, 'auth_scope'))
  const granted = typeof client['scope'] === 'string' ? words(client['scope']) : asked
  const missing = asked.filter((scope) => !granted.includes(scope))
  if (missing.length === 0) return fields
  stderr.write(
    `Warning: The registered client does not have all the requested scopes. The following are missing: ${missing.join(' ')}\n` +
      'To update the client to have all the requested scope values, please contact the provider.\n',
  )
  const scope = asked.filter((one) => granted.includes(one)).join(' ')
  return { ...fields, scope, auth_scope: scope }
}

/** Deletes the client that was registered for an account whose login failed. Reports a failure of that. */
export async function withdrawClient(
  fields: JsonObject,
  agent: AgentAddress | undefined,
  { stderr }: Pick<Io, 'stderr'>,
): Promise<void> {
  const request = clientDeletion(fields)
  if (request === undefined) return
  try {
    await callAgent(agent, request, { timeoutMs: WITHDRAW_TIMEOUT_MS })
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    stderr.write(
      `The client '${fieldText(fields, 'client_name') ?? ''}' stays registered: ${error.message}\n`,
    )
  }
}

function unregistered(error: AgentError, { name, issuer: { known } }: AccountBasis): AgentError {
  const next = [
    'If the provider requires a token for registration, pass it by --at. Else register a client yourself and run',
    `\t$ oidc-gen -m ${shellQuote(name)}`,
    ...(known?.registerHint === undefined ? [] : [`To register a client: ${known.registerHint}`]),
    ...(known?.contact === undefined ? [] : [`The provider's contact: ${known.contact}`]),
  ]
  return new AgentError(error.code, error.message, { hint: next.join('\n'), cause: error })
}

/**
 * The request that deletes the client registered for an account (RFC 7592 §2.3); undefined if none was
 * registered for it.
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
