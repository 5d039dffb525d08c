import { AgentError, failureReply, peerError } from '../protocol/wire/errors.ts'
import type { Reply, Request, RequestType } from '../protocol/wire/messages.ts'
import type { AgentContext, Handler, SharedHandler } from './context.ts'
import * as accounts from './handlers/accounts.ts'
import * as clients from './handlers/clients.ts'
import * as login from './handlers/login.ts'
import * as shares from './handlers/shares.ts'
import * as status from './handlers/status.ts'
import * as tokenFiles from './handlers/token-files.ts'
import * as tokens from './handlers/tokens.ts'
import type { Access, Role } from './peers.ts'

interface Row<T extends RequestType> {
  readonly handle: Handler<T>
  readonly allowedWhileLocked: boolean
  /** Whether a peer of another uid, admitted by `--with-group`, may ask it. */
  readonly group: boolean
  /** How it is answered on a restricted socket; false: it is refused there. */
  readonly shared: SharedHandler<T> | false
}

/** What is for the owner alone, and not while the agent is locked. */
function owner<T extends RequestType>(handle: Handler<T>): Row<T> {
  return { handle, allowedWhileLocked: false, group: false, shared: false }
}

/** Every request type with its handler, and who may ask it when. */
const table: { readonly [T in RequestType]: Row<T> } = {
  access_token: {
    ...owner(tokens.accessToken),
    group: true,
    shared: shares.sharedAccessToken,
  },
  id_token: owner(tokens.idToken),
  loaded_accounts: {
    ...owner(accounts.loadedAccounts),
    group: true,
    shared: shares.sharedAccounts,
  },
  account_info: { ...owner(accounts.accountInfo), allowedWhileLocked: true },
  check: {
    handle: status.check,
    allowedWhileLocked: true,
    group: true,
    shared: (request, _share, context, signal) => status.check(request, context, signal),
  },
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
  token_file_probe: owner(tokenFiles.tokenFileProbe),
  token_file_stop: owner(tokenFiles.tokenFileStop),
  jwks: owner(clients.jwks),
  share: owner(shares.share),
  unshare: owner(shares.unshare),
}

/**
 * Answers one request. This is the agent's one catch: an AgentError becomes a failure reply; any other
 * error is a fault of this program, which is logged and reported as `internal`.
 */
export async function dispatch(
  request: Request,
  access: Access,
  context: AgentContext,
  signal: AbortSignal,
): Promise<Reply> {
  const startedAt = context.runtime.now()
  const reply = await answer(request, access, context, signal)
  const outcome = reply.status === 'failure' ? `failed: ${reply.error}` : reply.status
  context.log.debug(`${request.request} ${outcome} (${context.runtime.now() - startedAt} ms)`)
  return reply
}

async function answer(
  request: Request,
  access: Access,
  context: AgentContext,
  signal: AbortSignal,
): Promise<Reply> {
  try {
    // The table pairs each type with its own handler, which the compiler cannot see through an index.
    const row = table[request.request] as Row<RequestType>
    const handle = handlerFor(row, access)
    if (handle === false) throw forbidden(access.role)
    if (!row.allowedWhileLocked) context.lock.checkOpen()
    return await named(request, context, async () => handle(request, context, signal))
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

/** Runs `work`; a `check` finds the request by its nonce meanwhile. */
async function named<R>(
  request: Request,
  { running }: AgentContext,
  work: () => Promise<R>,
): Promise<R> {
  const nonce = request.request !== 'check' && 'nonce' in request ? request.nonce : undefined
  if (nonce === undefined) return await work()
  running.add(nonce)
  try {
    return await work()
  } finally {
    running.delete(nonce)
  }
}

function handlerFor(row: Row<RequestType>, access: Access): Handler<RequestType> | false {
  const { shared } = row
  switch (access.role) {
    case 'owner':
      return row.handle
    case 'group':
      return row.group && row.handle
    case 'shared':
      return (
        shared &&
        ((...[request, context, signal]) => shared(request, access.share, context, signal))
      )
  }
}

function forbidden(role: Role): AgentError {
  const hint =
    role === 'group'
      ? 'Members of the group may ask for access tokens, the loaded accounts and the status.'
      : 'A restricted socket gives out access tokens only.'
  return peerError('operation-forbidden', { hint })
}
