import { AgentError } from '../protocol/errors.ts'
import { parseFileLines } from '../protocol/file-lines.ts'
import { type OpenedAccount, openWithTries, passwordQuestion } from './load-account.ts'
import { type PasswordSources, sourcedPassword } from './password-source.ts'
import type { Io } from './run.ts'
import type { Terminal } from './terminal.ts'

/** How a password is come by. */
export interface PasswordWays {
  readonly sources: PasswordSources
  readonly io: Pick<Io, 'env' | 'stderr'>
  /** Called at the first question. */
  readonly terminal: () => Terminal
}

/** Where the last password came from. */
type Origin = 'source' | 'person'

/** An opened account, and who had its password. */
export interface UnlockedAccount extends OpenedAccount {
  readonly from: Origin
}

/**
 * Opens an account file: the first try with a password from the sources, the others with what the
 * person enters (cli.md §1.2).
 */
export async function unlockAccount(
  name: string,
  text: string,
  { sources, io, terminal }: PasswordWays,
): Promise<UnlockedAccount> {
  // A damaged file is told of before anybody is asked for its password.
  parseFileLines(text)
  const warn = (line: string): void => void io.stderr.write(`${line}\n`)
  const sourced = await sourcedPassword(sources, { env: io.env, warn })
  let from: Origin = 'source'
  const passwordFor = async (attempt: number): Promise<string> => {
    if (attempt === 1 && sourced !== undefined) return sourced
    const password = await terminal().askSecret(passwordQuestion(name))
    from = 'person'
    return password
  }
  try {
    const opened = await openWithTries(text, passwordFor, warn)
    return { ...opened, from }
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    if (error.code === 'wrong-password') throw triesExhausted(error)
    if (error.code === 'no-terminal' && sourced !== undefined) throw sourceIsWrong(error)
    throw error
  }
}

function triesExhausted(cause: AgentError): AgentError {
  return new AgentError('wrong-password', 'reached maximum number of tries', { cause })
}

function sourceIsWrong(cause: AgentError): AgentError {
  const message = `the given password is wrong, and ${cause.message}`
  return new AgentError('wrong-password', message, { cause })
}
