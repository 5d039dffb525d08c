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

/** An opened account, and whether it was a source that had the password. */
export interface UnlockedAccount extends OpenedAccount {
  readonly from: 'source' | 'person'
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
  let from: 'source' | 'person' = 'person'
  const passwordFor = async (attempt: number): Promise<string> => {
    const sourced =
      attempt === 1 ? await sourcedPassword(sources, { env: io.env, warn }) : undefined
    from = sourced === undefined ? 'person' : 'source'
    return sourced ?? (await terminal().askSecret(passwordQuestion(name)))
  }
  try {
    const opened = await openWithTries(text, passwordFor, warn)
    return { ...opened, from }
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'wrong-password') throw error
    throw new AgentError('wrong-password', 'reached maximum number of tries', { cause: error })
  }
}
