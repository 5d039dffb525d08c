import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../../protocol/storage/files.ts'
import { isAlive, type ProcessIdentity } from '../../protocol/storage/process-identity.ts'
import { systemCode } from '../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/wire/json.ts'
import type { JsonObject, JsonValue, UnixSeconds } from '../../protocol/wire/messages.ts'

/** What is to be kept, and where. */
export interface TokenFileEntry {
  readonly path: string
  readonly account: string
  readonly scope: string | undefined
  readonly audience: string | undefined
  readonly minValidSeconds: number
  /** Only a token that is what was asked for. */
  readonly strict: boolean
  readonly keepOnExit: boolean
  readonly owner: ProcessIdentity | undefined
}

/** What the next agent has to know of a kept file: all but the token. */
export interface TokenFileRecord extends TokenFileEntry {
  readonly expiresAt: UnixSeconds
  /** See place.ts; of the file as it was last written. */
  readonly identity: string
  /** The agent that keeps it. */
  readonly keeper: ProcessIdentity
}

/** In the config directory; with a dot, so that it is never listed as an account. */
const DIRECTORY = '.token-files'

/**
 * Remembers which files are kept, so that the next agent goes on with them when their account is
 * loaded again. One small file for each, so that agents that run at the same time do not write over
 * each other's. The name has the host in it: home directories are shared by machines, /run is not.
 */
export class TokenFileRegistry {
  readonly #directory: () => string | undefined
  readonly #host: string
  readonly #self: ProcessIdentity

  constructor(parts: {
    /** The config directory, where there is one. */
    readonly directory: () => string | undefined
    readonly host: string
    readonly self: ProcessIdentity
  }) {
    this.#directory = parts.directory
    this.#host = parts.host
    this.#self = parts.self
  }

  /** @throws AgentError `file-unwritable`. */
  async save(record: Omit<TokenFileRecord, 'keeper'>): Promise<void> {
    const directory = this.#registryDirectory()
    if (directory === undefined) return
    await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
      if (systemCode(error) === undefined) throw error
    })
    const { path, account, scope, audience, minValidSeconds, strict, keepOnExit, owner } = record
    const { expiresAt, identity } = record
    // `leave`: the name that agents before this one have written.
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
    const directory = this.#registryDirectory()
    if (directory === undefined) return
    await rm(join(directory, this.#nameOf(path)), { force: true })
  }

  /** Whether another agent that runs has taken the file over. */
  async isTaken(path: string): Promise<boolean> {
    const directory = this.#registryDirectory()
    if (directory === undefined) return false
    const record = await readRecord(join(directory, this.#nameOf(path)))
    return record !== undefined && this.#isOthers(record)
  }

  /** The files of an account that no other agent on this host keeps now. */
  async ofAccount(account: string): Promise<readonly TokenFileRecord[]> {
    const directory = this.#registryDirectory()
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

  #registryDirectory(): string | undefined {
    const directory = this.#directory()
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

/** A record that is gone or spoilt is none: what it was about is only a file to be written again. */
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
