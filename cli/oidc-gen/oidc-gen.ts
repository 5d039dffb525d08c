import { AgentError } from '../../protocol/errors.ts'
import { agentFor } from '../agent-for.ts'
import { type Arguments, usageError } from '../argv.ts'
import { listAccounts } from '../list-accounts.ts'
import { passwordSources } from '../password-source.ts'
import type { Io } from '../run.ts'
import { Asker } from './asker.ts'
import { completeByRedirect, completeByState } from './complete-login.ts'
import { configureAccount } from './configure-account.ts'
import { createAccount } from './create-account.ts'
import { deleteAccount } from './delete-account.ts'
import { type GenMode, isManaging, type ManagingMode, modeOf } from './mode.ts'
import { printOnlyToken } from './only-token.ts'
import type { GenOptions, oidcGen } from './options.ts'
import { isRobotFlow } from './own-fields.ts'
import { printFile } from './print-file.ts'
import { reauthenticate } from './reauthenticate.ts'
import { givenRefreshToken } from './refresh-token.ts'
import { renameAccount } from './rename-account.ts'
import type { GenHost, GenSetting } from './setting.ts'
import { updateFile } from './update-file.ts'

/** `oidc-gen`: makes, changes and deletes accounts. */
export async function generate(
  args: Arguments<typeof oidcGen.options>,
  io: Io,
  host: GenHost,
): Promise<void> {
  const { options } = args
  checkPromptModes(options)
  checkSkipping(options)
  const asker = new Asker(options, host)
  const setting: GenSetting = {
    options,
    io,
    host,
    agent: agentFor(io, 'local'),
    asker,
    sources: passwordSources(options),
    refreshToken: givenRefreshToken(options, io.env),
    explain: (line) => {
      if (options.verbose || options.debug) io.stderr.write(`${line}\n`)
    },
  }
  try {
    await perform(modeOf(args), setting)
  } finally {
    asker.close()
  }
}

async function perform(mode: GenMode, setting: GenSetting): Promise<void> {
  if (isManaging(mode)) return manage(mode, setting)
  switch (mode.kind) {
    case 'complete-by-redirect':
      return completeByRedirect(mode.uri, setting)
    case 'complete-by-state':
      return completeByState(mode.state, setting)
    case 'reauthenticate':
      return reauthenticate(mode.account, setting)
    case 'only-token':
      return printOnlyToken(mode.account, setting)
    case 'configure':
      return configureAccount(mode.account, setting)
    case 'create':
      return createAccount(mode.account, setting)
  }
}

async function manage(mode: ManagingMode, setting: GenSetting): Promise<void> {
  switch (mode.kind) {
    case 'list':
      return listAccounts(setting.io)
    case 'print':
      return printFile(mode.file, setting)
    case 'update':
      return updateFile(mode.file, setting)
    case 'rename':
      return renameAccount(mode.from, mode.to, setting)
    case 'delete':
      return deleteAccount(mode.account, setting)
  }
}

function checkPromptModes({ prompt, pwPrompt }: GenOptions): void {
  const gui = prompt === 'gui' ? '--prompt' : pwPrompt === 'gui' ? '--pw-prompt' : undefined
  if (gui === undefined) return
  throw new AgentError('not-implemented', `${gui}=gui is not implemented`, {
    hint: `Leave out ${gui} to be asked on the terminal.`,
  })
}

/** Where a person logs in there is nothing to save before; and unsaved, nothing would come of it. */
function checkSkipping({ skipCheck, flow, noSave, onlyToken }: GenOptions): void {
  if (!skipCheck || (isRobotFlow(flow[0]) && !noSave && !onlyToken)) return
  throw usageError(
    '--skip-check saves an account made with -w client_credentials or -w token-exchange',
  )
}
