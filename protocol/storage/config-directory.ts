import { constants, open } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import envPaths from 'env-paths'
import type { Environment } from '../wire/agent-options.ts'
import { AgentError, systemCode, unreadable, unwritable } from '../wire/errors.ts'
import { makeDirectories } from './files.ts'

const NAME = 'oidc-agent'

/** The variables by which the XDG base directory specification lets people move things. */
const baseVariable = { config: 'XDG_CONFIG_HOME', log: 'XDG_STATE_HOME' } as const

/**
 * The config directory: the first that exists (protocol.md §3.1). To the C peer's candidates it adds
 * the one by the platform's convention, before them but after `OIDC_CONFIG_DIR`.
 * @throws AgentError `file-unreadable` where something else than absence or permission is in the way
 */
export async function findConfigDirectory(env: Environment): Promise<string | undefined> {
  for (const path of candidates(env)) if (await isDirectory(path)) return path
  return undefined
}

/**
 * The config directory, made where there is none: mode 0700, at the first place whose parent exists.
 * @throws AgentError `file-unwritable`
 */
export async function createConfigDirectory(env: Environment): Promise<string> {
  const found = await findConfigDirectory(env)
  if (found !== undefined) return found
  const place = await firstPlace(env)
  if (place === undefined) throw homeless(homeOf(env))
  try {
    makeDirectories(place)
    return place
  } catch (error) {
    throw unwritable(place, error)
  }
}

async function firstPlace(env: Environment): Promise<string | undefined> {
  for (const path of candidates(env)) if (await isDirectory(dirname(path))) return path
  return undefined
}

function homeless(home: string): AgentError {
  return new AgentError('file-unwritable', `there is no home directory ${home}`, {
    hint: 'Set HOME, or OIDC_CONFIG_DIR to where the accounts should be.',
  })
}

/** Where log files go; it need not exist. */
export function logDirectory(env: Environment): string {
  return conventional('log', env) ?? join(homeOf(env), '.local', 'state', NAME)
}

function candidates(env: Environment): readonly string[] {
  const home = homeOf(env)
  const chosen = env['OIDC_CONFIG_DIR']
  const byConvention = conventional('config', env)
  return [
    ...(chosen === undefined || chosen === '' ? [] : [chosen]),
    ...(byConvention === undefined ? [] : [byConvention]),
    join(home, '.config', NAME),
    join(home, `.${NAME}`),
  ]
}

/**
 * What env-paths says, for `env`. It reads the process's own environment, so its answer is moved to
 * the home directory of `env`; undefined where that cannot be done.
 */
function conventional(kind: keyof typeof baseVariable, env: Environment): string | undefined {
  const base = env[baseVariable[kind]]
  if (base !== undefined && base !== '') return join(base, NAME)
  const path = relative(homedir(), envPaths(NAME, { suffix: '' })[kind])
  return path.startsWith('..') ? undefined : join(homeOf(env), path)
}

function homeOf(env: Environment): string {
  const home = env['HOME']
  return home === undefined || home === '' ? homedir() : home
}

/** Whether a directory is there and lets us list it. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
    await directory.close()
    return true
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return false
    throw unreadable(path, error)
  }
}
