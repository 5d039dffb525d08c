import { AgentError, failureReply } from '../protocol/wire/errors.ts'
import type { Reply, Request, RequestType } from '../protocol/wire/messages.ts'
import type { AgentContext, Handler } from './context.ts'
import * as accounts from './handlers/accounts.ts'
import * as clients from './handlers/clients.ts'
import * as login from './handlers/login.ts'
import * as status from './handlers/status.ts'
import * as tokenFiles from './handlers/token-files.ts'
import * as tokens from './handlers/tokens.ts'
import { whereThrown } from './log.ts'

interface Row<T extends RequestType> {
  readonly handle: Handler<T>
  readonly allowedWhileLocked?: true
}

/** Every request type with its handler, and whether the request is allowed while the agent is locked. */
const table: { readonly [T in RequestType]: Row<T> } = {
  access_token: { handle: tokens.accessToken },
  id_token: { handle: tokens.idToken },
  loaded_accounts: { handle: accounts.loadedAccounts },
  account_info: { handle: accounts.accountInfo, allowedWhileLocked: true },
  check: { handle: status.check, allowedWhileLocked: true },
  status: { handle: status.status },
  status_json: { handle: status.statusJson },
  add: { handle: accounts.add },
  gen: { handle: login.gen },
  device: { handle: login.device },
  code_exchange: { handle: login.codeExchange },
  state_lookup: { handle: login.stateLookup },
  term_http_server: { handle: login.termHttpServer },
  register: { handle: clients.register },
  scopes: { handle: clients.scopes },
  remove: { handle: accounts.remove },
  remove_all: { handle: accounts.removeAll },
  lock: { handle: status.lockAgent },
  unlock: { handle: status.unlockAgent, allowedWhileLocked: true },
  delete: { handle: clients.deleteAccount },
  delete_client: { handle: clients.deleteClient },
  file_write: { handle: clients.fileWrite },
  file_read: { handle: clients.fileRead },
  file_remove: { handle: clients.fileRemove },
  token_file: { handle: tokenFiles.tokenFile },
  token_file_stop: { handle: tokenFiles.tokenFileStop },
  jwks: { handle: clients.jwks },
}

/**
 * Answers one request. This is the agent's one catch: an AgentError becomes a failure reply; any other
 * error is a fault of this program, which is logged and reported as `internal`.
 */
export async function dispatch(
  request: Request,
  context: AgentContext,
  signal: AbortSignal,
): Promise<Reply> {
  const startedAt = context.runtime.now()
  const reply = await answer(request, context, signal)
  const outcome = reply.status === 'failure' ? `failed: ${reply.error}` : reply.status
  context.log.debug(`${request.request} ${outcome} (${context.runtime.now() - startedAt} ms)`)
  return reply
}

async function answer(
  request: Request,
  context: AgentContext,
  signal: AbortSignal,
): Promise<Reply> {
  try {
    // The table pairs each type with its own handler, which the compiler cannot see through an index.
    const row = table[request.request] as Row<RequestType>
    if (row.allowedWhileLocked !== true) context.lock.checkOpen()
    return await row.handle(request, context, signal)
  } catch (error) {
    if (error instanceof AgentError) return failureReply(error)
    context.log.warn(`internal error answering ${request.request}: ${whereThrown(error)}`)
    return failureReply(
      new AgentError('internal', `internal error of the agent answering ${request.request}`, {
        hint: 'This is a bug. Please report it, with the output of oidc-agent -d -g.',
      }),
    )
  }
}
