import { resolve } from 'node:path'
import { usageError } from '../argv.ts'
import type { Io } from '../run.ts'

/**
 * Where the token file is: the path given, else where WLCG Bearer Token Discovery looks (wlcg.md §2).
 * A purpose is appended, for people with more than one token: their programs are pointed to theirs
 * by BEARER_TOKEN_FILE.
 * @throws AgentError `usage` where the purpose is not fit for the end of a file's name
 */
export function tokenFilePath(
  given: string | true,
  purpose: string | undefined,
  { env, uid }: Pick<Io, 'env' | 'uid'>,
): string {
  const path = given === true ? discoveredPath(env, uid) : given
  if (path === '') throw usageError('--file: the path is empty')
  return resolve(purpose === undefined ? path : `${path}-${checkPurpose(purpose)}`)
}

function discoveredPath(env: Io['env'], uid: number): string {
  const { BEARER_TOKEN_FILE: file, XDG_RUNTIME_DIR: runtime } = env
  if (file !== undefined && file !== '') return file
  const directory = runtime !== undefined && runtime !== '' ? runtime : '/tmp'
  return `${directory}/bt_u${uid}`
}

function checkPurpose(purpose: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(purpose)) return purpose
  throw usageError(`--purpose: '${purpose}' has other characters than letters, digits, . _ -`)
}
