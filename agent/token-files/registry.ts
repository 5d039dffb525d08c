import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../../protocol/storage/files.ts'
import { isAlive, type ProcessIdentity } from '../../protocol/storage/process-identity.ts'
import { systemCode } from '../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/wire/json.ts'
import type { JsonObject, JsonValue, UnixSeconds } from '../../protocol/wire/messages.ts'

/** A token file as it was requested: which token, and where. */
export interface TokenFileEntry {
  readonly path: string
  readonly account: string
  readonly scope: string | undefined
  readonly audience: string | undefined
  readonly minValidSeconds: number
  /** Whether only a token exactly as requested is written. */
  readonly strict: boolean
  readonly keepOnExit: boolean
  readonly owner: ProcessIdentity | undefined
}

/** A kept file as the next agent finds it: everything but the token. */
export interface TokenFileRecord extends TokenFileEntry {
  readonly expiresAt: UnixSeconds
  /** Of the file as it was last written: see directory-handle.ts. */
  readonly identity: string
  /** The agent that keeps the file. */
  readonly keeper: ProcessIdentity
}

/** In the config directory; the dot keeps it out of the list of accounts. */
const DIRECTORY = '.token-files'

/**
 * Records which files are kept, so that the next agent goes on with them when their account is loaded
 * again. Each has a small file of its own, so that agents that run at the same time do not overwrite each
 * other's records. Its name contains the host: machines share home directories, but not /run.
 */
export class TokenFileRegistry {
  readonly #directory: () => Promise<string | undefined>
  readonly #host: string
  readonly #self: ProcessIdentity

  constructor(parts: {
    /** The config directory; undefined if there is none (yet). */
    readonly directory: () => Promise<string | undefined>
    readonly host: string
    readonly self: ProcessIdentity
  }) {
    this.#directory = parts.directory
    this.#host = parts.host
    this.#self = parts.self
  }

  /** Records a file as kept by this agent. @throws AgentError `file-unwritable` */
  async save(record: Omit<TokenFileRecord, 'keeper'>): Promise<void> {
    const directory = await this.#registryDirectory()
    if (directory === undefined) return
    await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
      if (systemCode(error) === undefined) throw error
    })
    const { path, account, scope, audience, minValidSeconds, strict, keepOnExit, owner } = record
    const { expiresAt, identity } = record
    // `leave`: the name that earlier versions of the agent write.
    const kept = { path, account, scope, audience, minValidSeconds, strict, owner }
    const text = JSON.stringify({
      ...kept,
      leave: keepOnExit,
      expiresAt,
      identity,
      keeper: this.#self,
    })
    await replaceFile(join(directory, this.#nameOf(path)), `${text}\n`)
  }

  async remove(path: string): Promise<void> {
    const directory = await this.#registryDirectory()
    if (directory === undefined) return
    await rm(join(directory, this.#nameOf(path)), { force: true })
  }

  /** Whether another running agent has taken the file over. */
  async isTaken(path: string): Promise<boolean> {
    const directory = await this.#registryDirectory()
    if (directory === undefined) return false
    const record = await readRecord(join(directory, this.#nameOf(path)))
    return record !== undefined && this.#isOthers(record)
  }

  /** The recorded files of an account that no other running agent on this host keeps. */
  async ofAccount(account: string): Promise<readonly TokenFileRecord[]> {
    const directory = await this.#registryDirectory()
    if (directory === undefined) return []
    const names = await readdir(directory).catch(() => [])
    const mine = names.filter((name) => name.startsWith(this.#prefix()))
    const records = await Promise.all(mine.map((name) => readRecord(join(directory, name))))
    return records
      .filter((record) => record !== undefined)
      .filter((record) => record.account === account && !this.#isOthers(record))
  }

  #isOthers({ keeper }: TokenFileRecord): boolean {
    return keeper.pid !== this.#self.pid && isAlive(keeper)
  }

  async #registryDirectory(): Promise<string | undefined> {
    const directory = await this.#directory()
    return directory === undefined ? undefined : join(directory, DIRECTORY)
  }

  #prefix(): string {
    return `${digest(this.#host)}-`
  }

  #nameOf(path: string): string {
    return `${this.#prefix()}${digest(path)}`
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** Returns undefined for a record that is missing or damaged: the only loss is a file to be written again. */
async function readRecord(path: string): Promise<TokenFileRecord | undefined> {
  try {
    const body = parseTolerantJson(await readFile(path, 'utf8'))
    return isJsonObject(body) ? recordOf(body) : undefined
  } catch {
    return undefined
  }
}

function recordOf(body: JsonObject): TokenFileRecord | undefined {
  const { path, account, identity } = body
  const keeper = processOf(body['keeper'])
  if (typeof path !== 'string' || typeof account !== 'string' || keeper === undefined) {
    return undefined
  }
  return {
    path,
    account,
    scope: textOf(body['scope']),
    audience: textOf(body['audience']),
    minValidSeconds: numberOf(body['minValidSeconds']),
    strict: body['strict'] === true,
    keepOnExit: body['leave'] === true,
    owner: processOf(body['owner']),
    expiresAt: numberOf(body['expiresAt']),
    identity: textOf(identity) ?? '',
    keeper,
  }
}

function processOf(value: JsonValue | undefined): ProcessIdentity | undefined {
  if (!isJsonObject(value)) return undefined
  const { pid, started } = value
  return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function numberOf(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0
}
