import { AgentError } from '../../protocol/wire/errors.ts'
import { listAccounts } from '../account-directory.ts'
import { type Arguments, usageError } from '../arguments.ts'
import { selectAgent } from '../autoload.ts'
import { passwordSources } from '../passwords.ts'
import type { Io } from '../run.ts'
import { isUnattendedGrant } from './account-json.ts'
import { completeByRedirect, completeByState } from './complete-login.ts'
import type { GenContext, GenHost } from './context.ts'
import { deleteAccount } from './delete-account.ts'
import { configureAccount, createAccount, printOnlyToken, reauthenticate } from './make-account.ts'
import { printFile, renameAccount, updateFile } from './manage-files.ts'
import type { GenOptions, oidcGen } from './options.ts'
import { type GenMode, isManaging, type ManagingMode, modeOf } from './plan.ts'
import { Prompter } from './prompter.ts'
import { givenRefreshToken } from './save-account.ts'

/** `oidc-gen`: makes, changes and deletes accounts. */
export async function generate(
  args: Arguments<typeof oidcGen.options>,
  io: Io,
  host: GenHost,
): Promise<void> {
  const { options } = args
  checkPromptModes(options)
  checkSkipping(options)
  const prompter = new Prompter(options, host)
  const context: GenContext = {
    options,
    io,
    host,
    agent: selectAgent(io, 'local'),
    prompter,
    sources: passwordSources(options),
    refreshToken: givenRefreshToken(options, io.env),
    explain: (line) => {
      if (options.verbose || options.debug) io.stderr.write(`${line}\n`)
    },
  }
  try {
    await perform(modeOf(args), context)
  } finally {
    prompter.close()
  }
}

async function perform(mode: GenMode, context: GenContext): Promise<void> {
  if (isManaging(mode)) return manage(mode, context)
  switch (mode.kind) {
    case 'complete-by-redirect':
      return completeByRedirect(mode.uri, context)
    case 'complete-by-state':
      return completeByState(mode.state, context)
    case 'reauthenticate':
      return reauthenticate(mode.account, context)
    case 'only-token':
      return printOnlyToken(mode.account, context)
    case 'configure':
      return configureAccount(mode.account, context)
    case 'create':
      return createAccount(mode.account, context)
  }
}

async function manage(mode: ManagingMode, context: GenContext): Promise<void> {
  switch (mode.kind) {
    case 'list':
      return listAccounts(context.io)
    case 'print':
      return printFile(mode.file, context)
    case 'update':
      return updateFile(mode.file, context)
    case 'rename':
      return renameAccount(mode.from, mode.to, context)
    case 'delete':
      return deleteAccount(mode.account, context)
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
  if (!skipCheck || (isUnattendedGrant(flow[0]) && !noSave && !onlyToken)) return
  throw usageError(
    '--skip-check saves an account made with -w client_credentials or -w token-exchange',
  )
}
