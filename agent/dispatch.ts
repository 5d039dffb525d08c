import { AgentError, failureReply } from '../protocol/errors.ts'
import type { Reply, Request, RequestType } from '../protocol/messages.ts'
import * as state from './handlers/agent-state.ts'
import { deleteAccount, deleteClient, register, scopes } from './handlers/clients.ts'
import { codeExchange, stateLookup, termHttpServer } from './handlers/code-exchange.ts'
import { jwks } from './handlers/jwks.ts'
import { add } from './handlers/load.ts'
import { device, gen } from './handlers/login.ts'
import { tokenFile, tokenFileStop } from './handlers/token-files.ts'
import { accessToken, idToken } from './handlers/tokens.ts'
import { whereThrown } from './log.ts'
import type { AgentContext, Handler } from './services.ts'

interface Row<T extends RequestType> {
  readonly handle: Handler<T>
  readonly allowedWhileLocked?: true
}

/** Every request type, who answers it, and whether it is answered while the agent is locked. */
const table: { readonly [T in RequestType]: Row<T> } = {
  access_token: { handle: accessToken },
  id_token: { handle: idToken },
  loaded_accounts: { handle: state.loadedAccounts },
  account_info: { handle: state.accountInfo, allowedWhileLocked: true },
  check: { handle: state.check, allowedWhileLocked: true },
  status: { handle: state.status },
  status_json: { handle: state.statusJson },
  add: { handle: add },
  gen: { handle: gen },
  device: { handle: device },
  code_exchange: { handle: codeExchange },
  state_lookup: { handle: stateLookup },
  term_http_server: { handle: termHttpServer },
  register: { handle: register },
  scopes: { handle: scopes },
  remove: { handle: state.remove },
  remove_all: { handle: state.removeAll },
  lock: { handle: state.lockAgent },
  unlock: { handle: state.unlockAgent, allowedWhileLocked: true },
  delete: { handle: deleteAccount },
  delete_client: { handle: deleteClient },
  file_write: { handle: state.fileWrite },
  file_read: { handle: state.fileRead },
  file_remove: { handle: state.fileRemove },
  token_file: { handle: tokenFile },
  token_file_stop: { handle: tokenFileStop },
  jwks: { handle: jwks },
}

/**
 * Answers one request. This is the agent's one catch: what a handler throws becomes a failure reply,
 * and what is not an AgentError is a fault of ours that is logged and said to be one.
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
        hint: 'This is a bug. Please report it, with what oidc-agent -d -g prints.',
      }),
    )
  }
}
