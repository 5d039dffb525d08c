import { lstatSync } from 'node:fs'
import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { accountOf } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { AccessTokenReply, ConfigReply } from '../../protocol/wire/messages.ts'
import { printable, printInfo } from '../printing.ts'
import type { Io } from '../run.ts'
import { checkRedirected, socketIn } from './code-flow.ts'
import type { GenIo } from './host.ts'
import { DONE_AT_ONCE } from './login.ts'
import { existingAccount } from './make-account.ts'
import type { CompletionPlan } from './plan.ts'
import { newSealing, type Sealing, saveAccount } from './save-account.ts'

/**
 * `--codeExchange` and `--state`: completes a login by browser that another oidc-gen started.
 * @throws AgentError `bad-request` if the URI is not a redirect or the login is not done;
 *   what the agent replied
 */
export async function completeLogin(plan: CompletionPlan, gen: GenIo): Promise<void> {
  switch (plan.kind) {
    case 'complete-by-redirect': {
      const state = checkRedirected(plan.uri)
      const agent = gen.agent ?? agentOf(state, gen.io)
      const sealing = await sealingFor(state, plan, gen)
      const request = { request: 'code_exchange', redirect_uri: plan.uri, from_gen: true } as const
      return keep(await callAgent(agent, request), sealing, { ...gen, agent })
    }
    case 'complete-by-state': {
      const sealing = await sealingFor(plan.state, plan, gen)
      const reply = await callAgent(gen.agent, { request: 'state_lookup', state: plan.state })
      if (reply.status === 'success') return keep(reply, sealing, gen)
      throw new AgentError(
        'bad-request',
        `Could not receive generated account configuration for state='${plan.state}'`,
        { hint: reply.info },
      )
    }
  }
}

/** Settled before the account is fetched, which is possible only once. */
async function sealingFor(
  state: string,
  { save }: CompletionPlan,
  { passwords }: GenIo,
): Promise<Sealing> {
  const isForTokenOnly = /^\d:1/.test(state)
  if (!isForTokenOnly || save === 'agent-only') return newSealing(save, passwords)
  // No account will come, so no password is looked for.
  return { kind: 'new', password: { kind: 'ask' } }
}

async function keep(
  reply: ConfigReply | AccessTokenReply,
  sealing: Sealing,
  gen: GenIo,
): Promise<void> {
  const { io, passwords } = gen
  if ('access_token' in reply) {
    io.stdout.write(`${printable('access token', reply.access_token)}\n`)
    return
  }
  io.stdout.write(DONE_AT_ONCE)
  printInfo(reply.info, io)
  const { name } = accountOf(reply.config)
  const old = sealing.kind === 'none' ? undefined : await existingAccount(name, passwords)
  // After --reauthenticate the file exists, and keeps its password.
  const kept: Sealing = old === undefined ? sealing : { kind: 'same', key: old.key }
  await saveAccount(reply.config, kept, gen)
}

/**
 * The agent whose socket is named in a state. A web page may have made up the state, so only a socket
 * of this user is trusted.
 */
function agentOf(state: string, { uid }: Io): AgentAddress | undefined {
  const path = socketIn(state)
  if (path === undefined) return undefined
  const file = lstatSync(path, { throwIfNoEntry: false })
  return file?.isSocket() === true && file.uid === uid ? { kind: 'unix', path } : undefined
}
