import { callAgent } from '../../protocol/client/call.ts'
import { words } from '../../protocol/storage/account.ts'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import type { JsonObject, RequestOf } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import { type AccountPlan, fieldText } from './account-json.ts'
import type { GenContext } from './context.ts'
import { publicClient } from './issuer.ts'
import { wantedFlows } from './login.ts'

/** How long the provider may take to delete a client that is not needed after all. */
const WITHDRAW_TIMEOUT_MS = 10_000

/** Failures that say that this provider will not register this client; others may pass. */
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

/**
 * The account with a client of its own, registered now (RFC 7591); where the provider refuses, with
 * the public client that is configured for it.
 */
export async function withRegisteredClient(
  draft: JsonObject,
  plan: AccountPlan,
  context: GenContext,
): Promise<JsonObject> {
  const { io, agent, options } = context
  io.stdout.write('Registering Client ...\n')
  try {
    const { client } = await callAgent(agent, {
      request: 'register',
      config: draft,
      flow: wantedFlows(context),
      authorization: options.accessToken,
    })
    return withGrantedScope(withClient(draft, client), client, context)
  } catch (error) {
    if (!(error instanceof AgentError) || !refusals.includes(error.code)) throw error
    if (plan.issuer.known?.publicClient === undefined) throw unregistered(error, plan)
    io.stderr.write(
      `The following error occurred during dynamic client registration:\n${error.message}\n`,
    )
    io.stderr.write('Try using a public client ...\n')
    return { ...draft, ...publicClient(plan.issuer) }
  }
}

/**
 * The draft with what the provider said of the client: its id and secret, what it takes to delete it
 * later (RFC 7592), but nothing of the person's.
 */
function withClient(draft: JsonObject, client: JsonObject): JsonObject {
  const theirs = ['client_id', 'client_secret', 'redirect_uris']
  const taken = Object.entries(client).filter(
    ([key]) => theirs.includes(key) || !Object.hasOwn(draft, key),
  )
  return { ...draft, ...Object.fromEntries(taken) }
}

/** Asking for scopes that the client may not have would fail the login. */
function withGrantedScope(fields: JsonObject, client: JsonObject, { io }: GenContext): JsonObject {
  const asked = words(fieldText(fields, 'auth_scope'))
  const granted = typeof client['scope'] === 'string' ? words(client['scope']) : asked
  const missing = asked.filter((scope) => !granted.includes(scope))
  if (missing.length === 0) return fields
  io.stderr.write(
    `Warning: The registered client does not have all the requested scopes. The following are missing: ${missing.join(' ')}\n` +
      'To update the client to have all the requested scope values, please contact the provider.\n',
  )
  const scope = asked.filter((one) => granted.includes(one)).join(' ')
  return { ...fields, scope, auth_scope: scope }
}

/** Deletes at the provider the client that was registered for an account that did not come about. */
export async function withdrawClient(fields: JsonObject, { agent, io }: GenContext): Promise<void> {
  const request = clientDeletion(fields)
  if (request === undefined) return
  try {
    await callAgent(agent, request, { timeoutMs: WITHDRAW_TIMEOUT_MS })
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    io.stderr.write(
      `The client '${fieldText(fields, 'client_name') ?? ''}' stays registered: ${error.message}\n`,
    )
  }
}

function unregistered(error: AgentError, { name, issuer: { known } }: AccountPlan): AgentError {
  const next = [
    'If the provider wants a token for registration, pass it by --at. Else register a client by hand and run',
    `\t$ oidc-gen -m ${shellQuote(name)}`,
    ...(known?.registerHint === undefined
      ? []
      : [`A client is registered at ${known.registerHint}`]),
    ...(known?.contact === undefined ? [] : [`Who to ask: ${known.contact}`]),
  ]
  return new AgentError(error.code, error.message, { hint: next.join('\n'), cause: error })
}

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
