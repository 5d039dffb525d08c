import { type AccountDirectory, checkAccountName } from '../../protocol/account-directory.ts'
import { AgentError } from '../../protocol/errors.ts'
import { shellQuote } from '../../protocol/shell-word.ts'
import type { GenContext } from './setting.ts'

/**
 * The short name of an account that is to be made.
 * @throws AgentError `bad-request` where it was given and there is such an account; a person who
 *   was asked is asked again.
 */
export async function newAccountName(
  given: string | undefined,
  directory: AccountDirectory | undefined,
  context: GenContext,
): Promise<string> {
  const exists = async (name: string): Promise<boolean> => (await directory?.has(name)) ?? false
  if (given !== undefined) {
    checkAccountName(given)
    if (await exists(given)) throw configured(given)
    return given
  }
  for (;;) {
    const name = await askName(context)
    if (!(await exists(name))) return name
    context.prompter.say(alreadyConfigured)
  }
}

/** The short name of an account that may exist. */
export async function askName({ prompter, options }: GenContext): Promise<string> {
  if (options.prompt === 'none') {
    throw new AgentError('no-terminal', 'No account short name given.')
  }
  for (;;) {
    const name = await prompter.ask(nameQuestion)
    const fault = faultOf(name)
    if (fault === undefined) return name
    prompter.say(fault)
  }
}

const nameQuestion = {
  label: 'short name',
  option: 'account',
  question: 'Enter short name for the account to configure',
} as const

/** Why no account can have this name. */
function faultOf(name: string): string | undefined {
  try {
    checkAccountName(name)
    return undefined
  } catch (error) {
    if (error instanceof AgentError) return error.message
    throw error
  }
}

const alreadyConfigured = 'An account with that shortname is already configured'

function configured(name: string): AgentError {
  return new AgentError('bad-request', alreadyConfigured, {
    hint: [
      'For a new refresh token run',
      `\t$ oidc-gen --reauthenticate ${shellQuote(name)}`,
      'to change it',
      `\t$ oidc-gen -m ${shellQuote(name)}`,
      'and to delete it',
      `\t$ oidc-gen -d ${shellQuote(name)}`,
    ].join('\n'),
  })
}
