import { lstatSync } from 'node:fs'
import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { accountOf } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { AccessTokenReply, ConfigReply } from '../../protocol/wire/messages.ts'
import { printable, printInfo } from '../printing.ts'
import type { Io } from '../run.ts'
import { checkRedirected, socketIn } from './code-flow.ts'
import type { GenContext } from './context.ts'
import { DONE_AT_ONCE } from './login.ts'
import { existingAccount } from './make-account.ts'
import { type PlannedPassword, plannedPassword, type Sealing, saveAccount } from './save-account.ts'

/** `--codeExchange`: finishes a login by browser that another oidc-gen started. */
export async function completeByRedirect(uri: string, context: GenContext): Promise<void> {
  const state = checkRedirected(uri)
  const agent = context.agent ?? agentOf(state, context.io)
  const password = await planned(state, context)
  const request = { request: 'code_exchange', redirect_uri: uri, from_gen: true } as const
  await keep(await callAgent(agent, request), password, { ...context, agent })
}

/** `--state`: fetches the account of a login by browser that has ended since. */
export async function completeByState(state: string, context: GenContext): Promise<void> {
  const password = await planned(state, context)
  const reply = await callAgent(context.agent, { request: 'state_lookup', state })
  if (reply.status === 'success') {
    await keep(reply, password, context)
    return
  }
  throw new AgentError(
    'bad-request',
    `Could not receive generated account configuration for state='${state}'`,
    { hint: reply.info },
  )
}

/** Settled before the account is fetched: that can be done once. */
async function planned(state: string, context: GenContext): Promise<PlannedPassword> {
  const onlyToken = /^\d:1/.test(state)
  return onlyToken || context.options.noSave ? { kind: 'ask' } : await plannedPassword(context)
}

async function keep(
  reply: ConfigReply | AccessTokenReply,
  password: PlannedPassword,
  context: GenContext,
): Promise<void> {
  const { io, options } = context
  if ('access_token' in reply) {
    io.stdout.write(`${printable('access token', reply.access_token)}\n`)
    return
  }
  io.stdout.write(DONE_AT_ONCE)
  printInfo(reply.info, io)
  const old = options.noSave
    ? undefined
    : await existingAccount(accountOf(reply.config).name, context)
  // A login again: the file keeps its password.
  const sealing: Sealing =
    old === undefined ? { kind: 'new', password } : { kind: 'same', key: old.key }
  await saveAccount(reply.config, sealing, context)
}

/**
 * The agent whose socket is named in a state, which a web page may have made up: only a socket of
 * this person's is trusted.
 */
function agentOf(state: string, { uid }: Io): AgentAddress | undefined {
  const path = socketIn(state)
  if (path === undefined) return undefined
  const place = lstatSync(path, { throwIfNoEntry: false })
  return place?.isSocket() === true && place.uid === uid ? { kind: 'unix', path } : undefined
}
