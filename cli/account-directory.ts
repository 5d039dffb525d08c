import { AccountDirectory } from '../protocol/storage/account-directory.ts'
import { findConfigDirectory } from '../protocol/storage/config-directory.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import type { Io } from './run.ts'

/**
 * The directory with the account files.
 * @throws AgentError `file-not-found` where there is none yet.
 */
export function accountDirectory(env: Io['env']): AccountDirectory {
  const path = findConfigDirectory(env)
  if (path !== undefined) return new AccountDirectory(path)
  throw new AgentError('file-not-found', 'oidc-dir does not exist. Run oidc-gen to create it.')
}

/** Prints the names of the accounts that have a file: `oidc-add -l` and `oidc-gen -l`. */
export async function listAccounts(io: Io): Promise<void> {
  const path = findConfigDirectory(io.env)
  const names = path === undefined ? [] : await new AccountDirectory(path).list()
  const none = 'There are no account configurations.'
  printNames(io, names, { heading: 'The following account configurations are usable: ', none })
}

/** Prints names, a line each. Only a person gets a heading: 5.x spares scripts of it (cli.md §0). */
export function printNames(
  { stdout }: Pick<Io, 'stdout'>,
  names: readonly string[],
  words: { readonly heading: string; readonly none: string },
): void {
  if (stdout.isTTY === true) stdout.write(`${names.length === 0 ? words.none : words.heading}\n`)
  for (const name of names) stdout.write(`${name}\n`)
}
