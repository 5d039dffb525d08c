import { AgentError, failureReply, peerError } from '../protocol/wire/errors.ts'
import type { Reply, Request, RequestType } from '../protocol/wire/messages.ts'
import type { AgentContext, Handler } from './context.ts'
import * as accounts from './handlers/accounts.ts'
import * as clients from './handlers/clients.ts'
import * as login from './handlers/login.ts'
import * as status from './handlers/status.ts'
import * as tokenFiles from './handlers/token-files.ts'
import * as tokens from './handlers/tokens.ts'
import type { Peer, Role } from './peers.ts'

interface Row<T extends RequestType> {
  readonly handle: Handler<T>
  readonly allowedWhileLocked: boolean
  /** Whether a peer of another uid, admitted by `--with-group`, may ask it. */
  readonly group: boolean
  /** How it is answered on a restricted socket; false: it is refused there. */
  readonly shared: Handler<T> | false
}

/** What is for the owner alone, and not while the agent is locked. */
function owner<T extends RequestType>(handle: Handler<T>): Row<T> {
  return { handle, allowedWhileLocked: false, group: false, shared: false }
}

/** Every request type with its handler, and who may ask it when. */
const table: { readonly [T in RequestType]: Row<T> } = {
  access_token: { ...owner(tokens.accessToken), group: true },
  id_token: owner(tokens.idToken),
  loaded_accounts: { ...owner(accounts.loadedAccounts), group: true },
  account_info: { ...owner(accounts.accountInfo), allowedWhileLocked: true },
  check: { handle: status.check, allowedWhileLocked: true, group: true, shared: status.check },
  status: { ...owner(status.status), group: true },
  status_json: { ...owner(status.statusJson), group: true },
  add: owner(accounts.add),
  gen: owner(login.gen),
  device: owner(login.device),
  code_exchange: owner(login.codeExchange),
  state_lookup: owner(login.stateLookup),
  term_http_server: owner(login.termHttpServer),
  register: owner(clients.register),
  scopes: owner(clients.scopes),
  remove: owner(accounts.remove),
  remove_all: owner(accounts.removeAll),
  lock: owner(status.lockAgent),
  unlock: { ...owner(status.unlockAgent), allowedWhileLocked: true },
  delete: owner(clients.deleteAccount),
  delete_client: owner(clients.deleteClient),
  file_write: owner(clients.fileWrite),
  file_read: owner(clients.fileRead),
  file_remove: owner(clients.fileRemove),
  token_file: owner(tokenFiles.tokenFile),
  token_file_stop: owner(tokenFiles.tokenFileStop),
  jwks: owner(clients.jwks),
}

/**
 * Answers one request. This is the agent's one catch: an AgentError becomes a failure reply; any other
 * error is a fault of this program, which is logged and reported as `internal`.
 */
export async function dispatch(
  request: Request,
  { role }: Pick<Peer, 'role'>,
  context: AgentContext,
  signal: AbortSignal,
): Promise<Reply> {
  const startedAt = context.runtime.now()
  const reply = await answer(request, role, context, signal)
  const outcome = reply.status === 'failure' ? `failed: ${reply.error}` : reply.status
  context.log.debug(`${request.request} ${outcome} (${context.runtime.now() - startedAt} ms)`)
  return reply
}

async function answer(
  request: Request,
  role: Role,
  context: AgentContext,
  signal: AbortSignal,
): Promise<Reply> {
  try {
    // The table pairs each type with its own handler, which the compiler cannot see through an index.
    const row = table[request.request] as Row<RequestType>
    const handle = handlerFor(row, role)
    if (handle === false) throw forbidden(role)
    if (!row.allowedWhileLocked) context.lock.checkOpen()
    return await handle(request, context, signal)
  } catch (error) {
    if (error instanceof AgentError) return failureReply(error)
    context.log.fault(`internal error answering ${request.request}`, error)
    return failureReply(
      new AgentError('internal', `internal error of the agent answering ${request.request}`, {
        hint: 'This is a bug. Please report it, with the output of oidc-agent -d -g.',
      }),
    )
  }
}

function handlerFor(row: Row<RequestType>, role: Role): Handler<RequestType> | false {
  switch (role) {
    case 'owner':
      return row.handle
    case 'group':
      return row.group && row.handle
    case 'shared':
      return row.shared
  }
}

function forbidden(role: Role): AgentError {
  const hint =
    role === 'group'
      ? 'Members of the group may ask for access tokens, the loaded accounts and the status.'
      : 'A restricted socket gives out access tokens only.'
  return peerError('operation-forbidden', { hint })
}
