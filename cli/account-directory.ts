import { AccountDirectory } from '../protocol/storage/account-directory.ts'
import { findConfigDirectory } from '../protocol/storage/config-directory.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import { printNames } from './printing.ts'
import type { Io } from './run.ts'

/**
 * The directory of the account files. Says on stderr which of those that are read others can read.
 * @throws AgentError `file-not-found` if it does not exist
 */
export async function accountDirectory({
  env,
  stderr,
}: Pick<Io, 'env' | 'stderr'>): Promise<AccountDirectory> {
  const path = await findConfigDirectory(env)
  if (path !== undefined) {
    return new AccountDirectory(path, { warn: (line) => void stderr.write(`${line}\n`) })
  }
  throw new AgentError('file-not-found', 'oidc-dir does not exist. Run oidc-gen to create it.')
}

/** Prints the names of the accounts that have a file: `oidc-add -l` and `oidc-gen -l`. */
export async function listAccounts(io: Io): Promise<void> {
  const path = await findConfigDirectory(io.env)
  const names = path === undefined ? [] : await new AccountDirectory(path).list()
  printNames(io, names, {
    heading: 'The following account configurations are usable: ',
    none: 'There are no account configurations.',
  })
}
