import { rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type { TokenFileState } from '../../protocol/wire/messages.ts'
import type { Keyring } from '../accounts/keyring.ts'
import type { IssuedToken } from '../accounts/token-cache.ts'
import { KeyedMutex, RunningWork, type Runtime } from '../concurrency.ts'
import type { Log } from '../log.ts'
import { assertGranted, requestedToken } from '../tokens/granted-scope.ts'
import type { TokenService } from '../tokens/token-service.ts'
import { ManagedTokenFile } from './managed-token-file.ts'
import type { TokenFileEntry, TokenFileRegistry } from './registry.ts'
import { checkTokenFile, writeTokenFile } from './token-file.ts'

/** Most files kept at once. A sanity bound: one for each compute element of a large site. */
const MAX_KEPT_FILES = 1000

/**
 * The token files this agent keeps fresh. A file exists as long as its account is loaded: it is removed
 * with the account (removed, locked, its lifetime over) and written again when the account is loaded
 * again, by this agent or the next one, unless the account was removed by name.
 */
export class ManagedTokenFiles {
  readonly #keyring: Keyring
  readonly #tokens: TokenService
  readonly #records: TokenFileRegistry
  readonly #runtime: Runtime
  readonly #log: Log
  readonly #uid: number
  readonly #confirm: boolean
  readonly #files = new Map<string, ManagedTokenFile>()
  readonly #turns = new KeyedMutex(1)
  /** Renewals and removals, which no request waits for. */
  readonly #work = new RunningWork()

  constructor(parts: {
    readonly keyring: Keyring
    readonly tokens: TokenService
    readonly records: TokenFileRegistry
    readonly runtime: Runtime
    readonly log: Log
    readonly uid: number
    /** Whether every token needs a confirmation by the user: then none is written to a file. */
    readonly confirm: boolean
  }) {
    this.#keyring = parts.keyring
    this.#tokens = parts.tokens
    this.#records = parts.records
    this.#runtime = parts.runtime
    this.#log = parts.log
    this.#uid = parts.uid
    this.#confirm = parts.confirm
  }

  /**
   * Writes the first token to a file and keeps the file fresh from then on, in place of an earlier entry
   * of the same path.
   * @throws AgentError of the token or the file; an earlier entry is then kept
   */
  async keep(entry: TokenFileEntry, signal: AbortSignal): Promise<IssuedToken> {
    if (this.#files.size >= MAX_KEPT_FILES && !this.#files.has(entry.path)) {
      throw new AgentError(
        'bad-request',
        `the agent already keeps ${MAX_KEPT_FILES} token files, which is the maximum`,
      )
    }
    const token = await this.#firstToken(entry, signal)
    const before = this.#files.get(entry.path)
    const file = this.#newFile(entry)
    this.#files.set(entry.path, file)
    await before?.drop({ remove: false })
    try {
      await file.write(token)
    } catch (error) {
      await this.#end(file, { remove: false, forget: before === undefined })
      if (before !== undefined) await this.#resume(before.entry.account)
      throw error
    }
    // The account may have been removed while the token was fetched and written.
    if (this.#keyring.get(entry.account) === undefined) this.#dropFilesOf(entry.account)
    return token
  }

  /**
   * Writes a token to a file once. An earlier entry of the same path ends.
   * @throws AgentError of the token or the file
   */
  async writeOnce(entry: TokenFileEntry, signal: AbortSignal): Promise<IssuedToken> {
    const token = await this.#firstToken(entry, signal)
    const before = this.#files.get(entry.path)
    if (before !== undefined) await this.#end(before, { remove: false, forget: true })
    await this.#turns.run(entry.path, () =>
      writeTokenFile(entry.path, token.accessToken, this.#uid),
    )
    return token
  }

  /** Stops keeping a file and removes it; returns whether this agent kept it. */
  async stop(path: string): Promise<boolean> {
    const file = this.#files.get(path)
    if (file === undefined) return false
    await this.#end(file, { remove: true, forget: true })
    return true
  }

  list(): readonly TokenFileState[] {
    return [...this.#files.values()].map((file) => file.state)
  }

  /** To be called for every account that is loaded: goes on with its files. */
  accountLoaded(account: string): void {
    for (const file of this.#of(account)) file.tryNow()
    this.#track(this.#resume(account))
  }

  /** To be called for every account that is removed: removes its files, unless it is loaded again at once. */
  accountLeft(account: string): void {
    queueMicrotask(() => {
      if (this.#keyring.get(account) === undefined) this.#dropFilesOf(account)
    })
  }

  /** Removes the files of an account for good: the next agent does not go on with them either. */
  async forget(account: string): Promise<void> {
    for (const file of this.#of(account)) await this.#end(file, { remove: true, forget: true })
    for (const { path } of await this.#records.ofAccount(account)) await this.#records.remove(path)
  }

  /** Resolves when nothing is being written or removed: files of removed accounts are gone then. */
  async settled(): Promise<void> {
    // The microtask of the last removed account may still be to come.
    await Promise.resolve()
    await this.#work.settled()
  }

  /** To be called when the agent ends: removes the files that are not to be kept on exit. */
  async close(): Promise<void> {
    const files = [...this.#files.values()]
    this.#files.clear()
    await Promise.all(files.map((file) => file.drop({ remove: !file.entry.keepOnExit })))
    await this.settled()
  }

  async #firstToken(entry: TokenFileEntry, signal: AbortSignal): Promise<IssuedToken> {
    // Checked first: no provider is asked for a token that cannot be written.
    await checkTokenFile(entry.path, this.#uid)
    return await this.#issue(entry, entry.minValidSeconds, signal)
  }

  async #issue(
    entry: TokenFileEntry,
    minValidSeconds: number,
    signal: AbortSignal,
  ): Promise<IssuedToken> {
    const loaded = this.#keyring.get(entry.account)
    if (loaded === undefined) throw peerError('account-not-loaded')
    if (this.#confirm || loaded.confirm) throw peerError('operation-forbidden')
    const requested = requestedToken(entry.scope, entry.audience)
    const token = await this.#tokens.accessToken(loaded, requested, minValidSeconds, signal)
    if (entry.strict) assertGranted(token)
    return token
  }

  #newFile(entry: TokenFileEntry): ManagedTokenFile {
    return new ManagedTokenFile(entry, {
      runtime: this.#runtime,
      log: this.#log,
      uid: this.#uid,
      records: this.#records,
      turns: this.#turns,
      issue: async (...requested) => this.#issue(...requested),
      track: (work) => this.#track(work),
      onEnd: (file, why) =>
        this.#track(why === 'taken' ? this.#giveUp(file) : this.#ownerGone(file)),
    })
  }

  async #resume(account: string): Promise<void> {
    for (const record of await this.#records.ofAccount(account)) {
      if (this.#files.has(record.path) || this.#keyring.get(account) === undefined) continue
      const file = this.#newFile(record)
      this.#files.set(record.path, file)
      await checkTokenFile(record.path, this.#uid).catch(() => undefined)
      file.resume(record)
    }
  }

  #of(account: string): readonly ManagedTokenFile[] {
    return [...this.#files.values()].filter(({ entry }) => entry.account === account)
  }

  /** Removes the files of an account that is no longer loaded; they return with the account. */
  #dropFilesOf(account: string): void {
    for (const file of this.#of(account)) {
      this.#track(this.#end(file, { remove: true, forget: false }))
    }
  }

  async #giveUp(file: ManagedTokenFile): Promise<void> {
    await this.#end(file, { remove: false, forget: false })
    this.#log.debug(`${file.entry.path} is kept by another agent now`)
  }

  async #ownerGone(file: ManagedTokenFile): Promise<void> {
    await this.#end(file, { remove: true, forget: true })
    // A directory made for this file alone is of no use without it; any other is not empty, or not ours.
    await rmdir(dirname(file.entry.path)).catch(() => undefined)
  }

  async #end(
    file: ManagedTokenFile,
    { remove, forget }: { readonly remove: boolean; readonly forget: boolean },
  ): Promise<void> {
    const { path } = file.entry
    if (this.#files.get(path) === file) this.#files.delete(path)
    await file.drop({ remove })
    if (forget && !this.#files.has(path)) await this.#records.remove(path)
  }

  #track(work: Promise<void>): void {
    this.#work.track(
      work.catch((error: unknown) => this.#log.warn(`token files: ${String(error)}`)),
    )
  }
}
