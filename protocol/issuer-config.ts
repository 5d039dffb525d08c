import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type IssuerFile,
  type KnownIssuer,
  mergeIssuers,
  parseIssuerFile,
  publicClientIssuers,
  systemIssuers,
  userIssuers,
} from './issuer-entry.ts'
import { systemCode, unreadable } from './system-error.ts'

export type { KnownIssuer } from './issuer-entry.ts'

/** Where the administrator's files are. */
const SYSTEM_DIRECTORY = '/etc/oidc-agent'

/**
 * Every issuer the config files know, what is said first first (protocol.md §3.5): the user's
 * `issuer.config` and `issuer.config.d`, the system's, then the `pubclients.config` of 4.x.
 * @throws AgentError `file-unreadable` or `file-malformed`, naming the file
 */
export async function readKnownIssuers(
  directory: string | undefined,
  systemDirectory: string = SYSTEM_DIRECTORY,
): Promise<readonly KnownIssuer[]> {
  const user = directory === undefined ? [] : await issuersIn(directory, userIssuers)
  const system = await issuersIn(systemDirectory, systemIssuers)
  const directories = [systemDirectory, ...(directory === undefined ? [] : [directory])]
  const publicClients = await Promise.all(directories.map(publicClientsIn))
  return mergeIssuers([...user, ...system, ...publicClients.flat()])
}

/**
 * A text that is another one after any file that {@link readKnownIssuers} reads has changed: for
 * whoever asks often.
 */
export async function issuerFilesState(
  directory: string | undefined,
  systemDirectory: string = SYSTEM_DIRECTORY,
): Promise<string> {
  const directories = [systemDirectory, ...(directory === undefined ? [] : [directory])]
  const files = await Promise.all(directories.map(issuerFiles))
  const states = files.flat().map(async (path) => `${path} ${await fileState(path)}`)
  return (await Promise.all(states)).join('\n')
}

async function issuerFiles(directory: string): Promise<readonly string[]> {
  const more = join(directory, 'issuer.config.d')
  return [
    join(directory, 'issuer.config'),
    join(directory, 'pubclients.config'),
    ...(await namesIn(more)).map((name) => join(more, name)),
  ]
}

async function fileState(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path)
    return `${mtimeMs} ${size} ${ino}`
  } catch (error) {
    return systemCode(error) ?? 'unreadable'
  }
}

/** The text of a file, or undefined where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw unreadable(path, error)
  }
}

type ReadIssuers = (file: IssuerFile) => readonly KnownIssuer[]

async function issuersIn(directory: string, read: ReadIssuers): Promise<readonly KnownIssuer[]> {
  const paths = [
    join(directory, 'issuer.config'),
    ...(await filesIn(join(directory, 'issuer.config.d'))),
  ]
  const issuers = paths.map(async (path) => {
    const text = await readIfThere(path)
    return text === undefined ? [] : read(parseIssuerFile(text, path))
  })
  return (await Promise.all(issuers)).flat()
}

async function publicClientsIn(directory: string): Promise<readonly KnownIssuer[]> {
  return publicClientIssuers((await readIfThere(join(directory, 'pubclients.config'))) ?? '')
}

/** The regular files of a directory, oldest first. */
async function filesIn(directory: string): Promise<readonly string[]> {
  const paths = (await namesIn(directory)).map((name) => join(directory, name))
  const files = await Promise.all(
    paths.map(async (path) => ({ path, changedAt: await changeTime(path) })),
  )
  return files
    .flatMap(({ path, changedAt }) => (changedAt === undefined ? [] : [{ path, changedAt }]))
    .sort((one, other) => one.changedAt - other.changedAt)
    .map(({ path }) => path)
}

/** When a regular file was changed, in milliseconds since 1970; undefined for anything else. */
async function changeTime(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path)
    return stats.isFile() ? stats.mtimeMs : undefined
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw unreadable(path, error)
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => !name.startsWith('.')).sort()
  } catch (error) {
    if (isAbsent(error)) return []
    throw unreadable(directory, error)
  }
}

function isAbsent(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}
