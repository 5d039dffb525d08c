import { AccountDirectory } from '../protocol/account-directory.ts'
import { findConfigDirectory } from '../protocol/config-directory.ts'
import { AgentError } from '../protocol/errors.ts'
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
