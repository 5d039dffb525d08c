import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentError, systemCode, unreadable } from '../wire/errors.ts'
import { isJsonArray, isJsonObject, parseTolerantJson } from '../wire/json.ts'
import type { JsonObject, JsonValue, SpaceSeparated } from '../wire/messages.ts'
import { sameIssuer, words } from './account.ts'
import { FileTrust, readBelieved } from './file-trust.ts'

/** Where the administrator's files are. */
const SYSTEM_DIRECTORY = '/etc/oidc-agent'

/**
 * Every issuer the config files know, what is said first first (protocol.md §3.5): the user's
 * `issuer.config` and `issuer.config.d`, the system's, then the `pubclients.config` of 4.x.
 * @throws AgentError `file-unreadable` or `file-malformed`, naming the file; also for a file that others
 *   could have written: see {@link FileTrust}
 */
export async function readKnownIssuers(
  directory: string | undefined,
  systemDirectory: string = SYSTEM_DIRECTORY,
): Promise<readonly KnownIssuer[]> {
  const trust = FileTrust.ofThisUser()
  const user = directory === undefined ? [] : await issuersIn(directory, userIssuers, trust)
  const system = await issuersIn(systemDirectory, systemIssuers, trust)
  const directories = [systemDirectory, ...(directory === undefined ? [] : [directory])]
  const publicClients = await Promise.all(directories.map((path) => publicClientsIn(path, trust)))
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
  const states = [...directories, ...files.flat()].map(fileState)
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

/** Of a file all that a change changes; of a directory, in which files come and go, who may write to it. */
async function fileState(path: string): Promise<string> {
  try {
    const status = await stat(path)
    const { ctimeMs, size, ino, mode, uid, gid } = status
    const state = status.isDirectory() ? [mode, uid, gid] : [ctimeMs, size]
    return [path, ino, ...state].join(' ')
  } catch (error) {
    return `${path} ${systemCode(error) ?? 'unreadable'}`
  }
}

type ReadIssuers = (file: IssuerFile) => readonly KnownIssuer[]

async function issuersIn(
  directory: string,
  read: ReadIssuers,
  trust: FileTrust,
): Promise<readonly KnownIssuer[]> {
  const paths = [
    join(directory, 'issuer.config'),
    ...(await filesIn(join(directory, 'issuer.config.d'))),
  ]
  const issuers = paths.map(async (path) => {
    const text = await readBelieved(path, trust)
    return text === undefined ? [] : read(parseIssuerFile(text, path))
  })
  return (await Promise.all(issuers)).flat()
}

async function publicClientsIn(
  directory: string,
  trust: FileTrust,
): Promise<readonly KnownIssuer[]> {
  const text = await readBelieved(join(directory, 'pubclients.config'), trust)
  return publicClientIssuers(text ?? '')
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

/** What the config files know of an issuer (protocol.md §3.5). */
export interface KnownIssuer {
  readonly issuer: string
  /** Short names of the accounts made with this issuer. */
  readonly accounts: readonly string[]
  readonly defaultAccount?: string | undefined
  readonly publicClient?: PublicClient | undefined
  readonly configEndpoint?: string | undefined
  readonly certPath?: string | undefined
  readonly deviceAuthorizationEndpoint?: string | undefined
  /** True: the provider wants `audience=`, not RFC 8707's `resource=`. */
  readonly legacyAudienceMode?: boolean | undefined
  /** How it wants to be asked for an audience, where `legacyAudienceMode` does not say enough. */
  readonly audienceParameter?: string | undefined
  /** Which product it is, where that cannot be seen. */
  readonly provider?: string | undefined
  /** Where to register a client by hand. */
  readonly registerHint?: string | undefined
  readonly contact?: string | undefined
  /** True: the agent keeps the file password in memory unless told otherwise. */
  readonly storePassword?: boolean | undefined
}

/** A client that anybody may use. */
interface PublicClient {
  readonly clientId: string
  readonly clientSecret?: string | undefined
  /** The scopes it may ask for. */
  readonly scope?: SpaceSeparated | undefined
}

/** An `issuer.config` of 5.x as it stands, or the lines of one of 4.x. */
export type IssuerFile =
  | { readonly format: 'json'; readonly entries: readonly JsonValue[] }
  | { readonly format: 'text'; readonly lines: readonly string[] }

/**
 * Takes an issuer file apart: JSON is an array, or one object in a file of `issuer.config.d`.
 * @throws AgentError `file-malformed` for what begins like JSON and is none
 */
export function parseIssuerFile(text: string, path: string): IssuerFile {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  const content = lines
    .filter((line) => !isComment(line))
    .join('\n')
    .trimStart()
  if (!/^[[{]/.test(content)) return { format: 'text', lines }
  const value = jsonOf(content, path)
  return { format: 'json', entries: isJsonArray(value) ? value : [value] }
}

function jsonOf(content: string, path: string): JsonValue {
  try {
    return parseTolerantJson(content)
  } catch (cause) {
    throw new AgentError('file-malformed', `${path} is not valid JSON`, { cause })
  }
}

/** The issuers of a user's file. */
function userIssuers(file: IssuerFile): readonly KnownIssuer[] {
  return file.format === 'json' ? jsonIssuers(file.entries) : file.lines.flatMap(userLine)
}

/** The issuers of a file in /etc, whose lines have other columns: issuer, registration page, contact. */
function systemIssuers(file: IssuerFile): readonly KnownIssuer[] {
  return file.format === 'json' ? jsonIssuers(file.entries) : file.lines.flatMap(systemLine)
}

/** The issuers of a 4.x `pubclients.config`: `client_id[:secret]@issuer[@scopes]` a line. */
function publicClientIssuers(text: string): readonly KnownIssuer[] {
  return text.split(/\r?\n/).flatMap(publicClientLine)
}

function publicClientLine(line: string): readonly KnownIssuer[] {
  const [client = '', issuer = '', scope] = line.trim().split('@')
  const [clientId = '', clientSecret] = client.split(':')
  if (isComment(line) || clientId === '' || !isUrl(issuer)) return []
  const publicClient = { clientId, clientSecret: orAbsent(clientSecret), scope: orAbsent(scope) }
  return [{ issuer, accounts: [], publicClient }]
}

/** The issuer that an entry of a JSON file is for. */
export function issuerOfEntry(entry: JsonValue): string | undefined {
  if (!isJsonObject(entry)) return undefined
  return text(entry, 'issuer') ?? text(entry, 'issuer_url')
}

/** Joins what several sources say of the same issuers: earlier ones win, later ones add. */
function mergeIssuers(found: readonly KnownIssuer[]): readonly KnownIssuer[] {
  const merged: KnownIssuer[] = []
  for (const entry of found) {
    const at = merged.findIndex(({ issuer }) => sameIssuer(issuer, entry.issuer))
    const earlier = merged[at]
    if (earlier === undefined) merged.push(entry)
    else merged[at] = joined(earlier, entry)
  }
  return merged
}

function joined(earlier: KnownIssuer, later: KnownIssuer): KnownIssuer {
  return {
    ...later,
    ...withoutAbsent(earlier),
    issuer: earlier.issuer,
    accounts: [...new Set([...earlier.accounts, ...later.accounts])],
  }
}

function withoutAbsent(entry: KnownIssuer): Partial<KnownIssuer> {
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined))
}

function jsonIssuers(entries: readonly JsonValue[]): readonly KnownIssuer[] {
  return entries.flatMap((entry) => {
    const issuer = issuerOfEntry(entry)
    return issuer === undefined || !isJsonObject(entry) ? [] : [jsonIssuer(issuer, entry)]
  })
}

function jsonIssuer(issuer: string, entry: JsonObject): KnownIssuer {
  return {
    issuer,
    accounts: texts(entry['accounts']),
    defaultAccount: text(entry, 'default_account'),
    publicClient: publicClient(entry['pubclient']),
    configEndpoint: text(entry, 'config_endpoint'),
    certPath: text(entry, 'cert_path'),
    deviceAuthorizationEndpoint: text(entry, 'device_authorization_endpoint'),
    legacyAudienceMode: flag(entry, 'legacy_aud_mode'),
    audienceParameter: text(entry, 'audience_parameter'),
    provider: text(entry, 'provider'),
    registerHint: text(entry, 'register'),
    contact: text(entry, 'contact'),
    storePassword: flag(entry, 'pw-store'),
  }
}

function publicClient(value: JsonValue | undefined): PublicClient | undefined {
  if (!isJsonObject(value)) return undefined
  const clientId = text(value, 'client_id')
  if (clientId === undefined) return undefined
  return { clientId, clientSecret: text(value, 'client_secret'), scope: text(value, 'scope') }
}

/** `issuer[ account]`: the account of an issuer's first line is its default. */
function userLine(line: string): readonly KnownIssuer[] {
  const [issuer = '', account] = words(line)
  if (!isUrl(issuer)) return []
  return [{ issuer, accounts: account === undefined ? [] : [account], defaultAccount: account }]
}

function systemLine(line: string): readonly KnownIssuer[] {
  const [issuer = '', registerHint, contact] = words(line)
  return isUrl(issuer) ? [{ issuer, accounts: [], registerHint, contact }] : []
}

function isComment(line: string): boolean {
  return line.trimStart().startsWith('#')
}

function orAbsent(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function isUrl(text: string): boolean {
  return /^https?:\/\//.test(text)
}

function text(entry: JsonObject, key: string): string | undefined {
  const value = entry[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function texts(value: JsonValue | undefined): readonly string[] {
  return isJsonArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function flag(entry: JsonObject, key: string): boolean | undefined {
  const value = entry[key]
  return typeof value === 'boolean' ? value : undefined
}
