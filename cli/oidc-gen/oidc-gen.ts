import { listAccounts } from '../account-directory.ts'
import type { Arguments } from '../arguments.ts'
import { selectAgent } from '../autoload.ts'
import { passwordSources } from '../passwords.ts'
import type { Io } from '../run.ts'
import { completeLogin } from './complete-login.ts'
import { deleteAccount } from './delete-account.ts'
import type { GenHost, GenIo } from './host.ts'
import { configureAccount, createAccount, printOnlyToken, reauthenticate } from './make-account.ts'
import { printFile, renameAccount, updateFile } from './manage-files.ts'
import type { oidcGen } from './options.ts'
import { type AccountPlan, type FilePlan, type GenPlan, planOf, promptPolicy } from './plan.ts'
import { Prompter } from './prompter.ts'

/**
 * `oidc-gen`: makes, changes and deletes accounts.
 * @throws AgentError of any code, from the plan or from a step of its execution
 */
export async function generate(
  { options, operands }: Arguments<typeof oidcGen.options>,
  io: Io,
  host: GenHost,
): Promise<void> {
  const policy = promptPolicy(options)
  const plan = planOf({ options, operands }, io.env)
  // Every plan but the list of accounts has secrets: a password, or what a login brings.
  if (plan.kind !== 'list') io.hideMemory()
  const prompter = new Prompter(policy, host)
  const isVerbose = options.verbose || options.debug
  try {
    await execute(plan, {
      io,
      host,
      agent: selectAgent(io, 'local'),
      prompter,
      passwords: {
        sources: passwordSources(options),
        io,
        terminal: () => prompter.terminal(),
      },
      explain: (line) => {
        if (isVerbose) io.stderr.write(`${line}\n`)
      },
    })
  } finally {
    prompter.close()
  }
}

async function execute(plan: GenPlan, gen: GenIo): Promise<void> {
  return 'login' in plan || 'save' in plan ? executeLogin(plan, gen) : executeOnFiles(plan, gen)
}

async function executeOnFiles(
  plan: FilePlan,
  { io, agent, prompter, passwords }: GenIo,
): Promise<void> {
  switch (plan.kind) {
    case 'list':
      return listAccounts(io)
    case 'print':
      return printFile(plan.file, io, passwords)
    case 'update':
      return updateFile(plan.file, io, passwords)
    case 'rename':
      return renameAccount(plan, agent, io, passwords)
    case 'delete':
      return deleteAccount(plan.account, { agent, io, prompter, passwords })
  }
}

async function executeLogin(plan: AccountPlan, gen: GenIo): Promise<void> {
  switch (plan.kind) {
    case 'create':
      return createAccount(plan, gen)
    case 'configure':
      return configureAccount(plan, gen)
    case 'only-token':
      return printOnlyToken(plan, gen)
    case 'reauthenticate':
      return reauthenticate(plan, gen)
    case 'complete-by-redirect':
    case 'complete-by-state':
      return completeLogin(plan, gen)
  }
}
