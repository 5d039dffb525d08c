import { callAgent } from '../../protocol/client.ts'
import { selectAgent } from '../agent-for.ts'
import type { Arguments } from '../argv.ts'
import { listAccounts } from '../list-accounts.ts'
import type { Io } from '../run.ts'
import { openTerminal, type Terminal } from '../terminal.ts'
import { accountNamed } from './account-named.ts'
import { load } from './load.ts'
import { lock, unlock } from './lock.ts'
import { modeOf } from './mode.ts'
import type { oidcAdd } from './options.ts'
import { printFile } from './print-file.ts'
import { printLoaded } from './print-loaded.ts'
import { type AddContext, type AddHost, tellSuccess } from './setting.ts'

/** `oidc-add`: loads accounts into the agent, and what belongs to that. */
export async function addAccounts(
  args: Arguments<typeof oidcAdd.options>,
  io: Io,
  host: AddHost = { openTerminal: () => openTerminal(io.env) },
): Promise<void> {
  let opened: Terminal | undefined
  const { options } = args
  const context: AddContext = {
    options,
    io,
    host,
    agent: selectAgent(io, options.remote ? 'remote' : 'local'),
    terminal: () => (opened ??= host.openTerminal()),
    explain: (line) => {
      if (options.verbose || options.debug) io.stderr.write(`${line}\n`)
    },
  }
  try {
    await perform(args, context)
  } finally {
    opened?.close()
  }
}

async function perform(
  args: Arguments<typeof oidcAdd.options>,
  context: AddContext,
): Promise<void> {
  const { io, agent } = context
  const mode = modeOf(args)
  switch (mode.kind) {
    case 'list':
      return listAccounts(io)
    case 'loaded':
      return printLoaded(context)
    case 'lock':
      return lock(context)
    case 'unlock':
      return unlock(context)
    case 'remove-all':
      tellSuccess(io, await callAgent(agent, { request: 'remove_all' }))
      return
    case 'print':
      return printFile(await accountNamed(mode.operand, context), context)
    case 'remove': {
      const account = await accountNamed(mode.operand, context)
      tellSuccess(io, await callAgent(agent, { request: 'remove', account }))
      return
    }
    case 'load':
      return load(await accountNamed(mode.operand, context), context)
  }
}
