import { readFileSync, type Stats } from 'node:fs'
import { constants, open, realpath, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { AgentError, systemCode, unreadable } from '../wire/errors.ts'
import { shellQuote } from '../wire/text.ts'

const OTHERS_WRITE = 0o002
const GROUP_WRITE = 0o020
const OTHERS_READ_OR_WRITE = 0o006
const GROUP_READ_OR_WRITE = 0o060
const STICKY = 0o1000
/** Entries of a user namespace's map that has all ids: no user is unmapped. */
const ALL_IDS = 2 ** 32 - 1

/** Owner, group and kind of a file, as stat(2) returns them. */
export type FileStatus = Pick<Stats, 'uid' | 'gid' | 'mode'>

/** Why a file must not be trusted. */
export interface TrustFault {
  /** The file or the directory that is at fault. */
  readonly path: string
  /** Completes "PATH: …". */
  readonly reason: string
  /** The command that mends it, if one does. */
  readonly remedy?: string | undefined
}

/** Reads a text file of the system; empty if it cannot be read. */
export type ReadSystemFile = (path: string) => string

/** Whose files are trusted. */
export interface TrustRule {
  /** Besides root. Undefined: files may have any owner, such as CAs on CVMFS. */
  readonly uid: number | undefined
  /** The groups that may write. */
  readonly groups: 'none' | 'private' | 'any'
}

/**
 * Who may write a file, and whether that is acceptable. Whoever can write to one of its directories can
 * replace the file, so these count too, except sticky ones, in which only owners rename.
 *
 * The private group of a user, which many systems give new files to, has the user's name and no other
 * members in /etc/group and /etc/passwd; if these do not have it, it has the user's number. Root's group
 * is such a group as well.
 *
 * In a user namespace without root, root's files show the overflow uid, as those of all other users
 * outside do. It counts as root for directories above a file's own, and below /etc.
 *
 * Looks at each directory once: make one for each piece of work.
 */
export class FileTrust {
  readonly #rule: TrustRule
  readonly #read: ReadSystemFile
  readonly #directories = new Map<string, Promise<TrustFault | undefined>>()

  constructor(rule: TrustRule, read: ReadSystemFile = readSystemFile) {
    this.#rule = rule
    this.#read = read
  }

  /** For the files of the user of this process. */
  static ofThisUser(): FileTrust {
    return new FileTrust({ uid: process.getuid?.() ?? 0, groups: 'private' })
  }

  /** What is wrong if a file or directory belongs neither to the user nor to root. */
  ownerFault(path: string, status: FileStatus): TrustFault | undefined {
    return this.#ownerFault(path, status, path.startsWith('/etc/'))
  }

  /** What is wrong with the owner and the mode of a file or directory, apart from the directories above it. */
  fault(path: string, status: FileStatus): TrustFault | undefined {
    return this.ownerFault(path, status) ?? this.#modeFault(path, status)
  }

  /**
   * What is wrong with a directory of `path`, by its name and as symbolic links lead. The file need not
   * exist.
   * @throws the error of stat(2) for a directory that does not exist or cannot be reached
   */
  async pathFault(path: string): Promise<TrustFault | undefined> {
    const named = resolve(path)
    const real = await realpath(named).catch(async () => `${await realpath(dirname(named))}/.`)
    for (const own of new Set([dirname(named), dirname(real)])) {
      const fault = await this.#directoriesFault(own)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  async #directoriesFault(own: string): Promise<TrustFault | undefined> {
    const status = await stat(own)
    const fault = this.fault(own, status)
    if (fault !== undefined) return fault
    for (let path = dirname(own); ; path = dirname(path)) {
      const above = await this.#directoryAbove(path)
      if (above !== undefined || path === dirname(path)) return above
    }
  }

  #directoryAbove(path: string): Promise<TrustFault | undefined> {
    const known = this.#directories.get(path)
    if (known !== undefined) return known
    const fault = stat(path).then(
      (status) => this.#ownerFault(path, status, true) ?? this.#modeFault(path, status),
    )
    this.#directories.set(path, fault)
    return fault
  }

  #ownerFault(path: string, { uid }: FileStatus, isSystems: boolean): TrustFault | undefined {
    const user = this.#rule.uid
    if (user === undefined || uid === user || uid === 0) return undefined
    if (isSystems && this.#isUnmapped(uid)) return undefined
    return { path, reason: `it belongs to another user (uid ${uid})` }
  }

  #modeFault(path: string, { mode, gid }: FileStatus): TrustFault | undefined {
    const isSticky = (mode & constants.S_IFMT) === constants.S_IFDIR && (mode & STICKY) !== 0
    if (isSticky) return undefined
    const byGroup = (mode & GROUP_WRITE) !== 0 && !this.#mayWrite(gid)
    if ((mode & OTHERS_WRITE) === 0 && !byGroup) return undefined
    const isGroupOnly = (mode & OTHERS_WRITE) === 0 && this.#rule.groups === 'private'
    return {
      path,
      reason: isGroupOnly ? `the group ${gid} can write to it` : 'others can write to it',
      remedy: `chmod go-w ${shellQuote(path)}`,
    }
  }

  /**
   * A warning if others than the user can read or change a file of secrets, with the command that mends
   * it; undefined if not.
   */
  exposure(path: string, { mode, gid }: FileStatus): string | undefined {
    const byOthers = mode & OTHERS_READ_OR_WRITE
    const byGroup = this.#isPrivate(gid) ? 0 : mode & GROUP_READ_OR_WRITE
    if (byOthers === 0 && byGroup === 0) return undefined
    const who = byOthers === 0 ? `the group ${gid}` : 'others'
    const can = ((byOthers | (byGroup >> 3)) & OTHERS_WRITE) === 0 ? 'read' : 'read or change'
    return `Warning: ${who} can ${can} ${path}, which holds secrets. To prevent it: chmod go-rwx ${shellQuote(path)}`
  }

  #mayWrite(gid: number): boolean {
    const { groups } = this.#rule
    return groups === 'private' ? this.#isPrivate(gid) : groups === 'any'
  }

  #isPrivate(gid: number): boolean {
    return [0, this.#rule.uid ?? 0].some((uid) => this.#isPrivateOf(uid, gid))
  }

  #isPrivateOf(uid: number, gid: number): boolean {
    const users = this.#entries('/etc/passwd')
    // Of the accounts with root's group (sync, halt, operator) none can log in.
    const isOthersToo = users.some((user) => user[3] === `${gid}` && user[2] !== `${uid}`)
    if (isOthersToo && gid !== 0) return false
    const group = this.#entries('/etc/group').find((entry) => entry[2] === `${gid}`)
    if (group === undefined) return gid === uid
    const name = users.find((user) => user[2] === `${uid}`)?.[0]
    const members = (group[3] ?? '').split(',').filter((member) => member !== '')
    return group[0] === name && members.every((member) => member === name)
  }

  #entries(path: string): readonly (readonly string[])[] {
    return this.#read(path)
      .split('\n')
      .map((line) => line.split(':'))
  }

  #isUnmapped(uid: number): boolean {
    if (uid !== Number(this.#read('/proc/sys/kernel/overflowuid').trim() || Number.NaN))
      return false
    const lines = this.#read('/proc/self/uid_map').trim().split('\n')
    const mapped = lines.map((line) => Number(line.trim().split(/\s+/)[2]))
    return mapped.reduce((sum, count) => sum + count, 0) < ALL_IDS
  }
}

function readSystemFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** {@link FileTrust.exposure} for the user of this process. Undefined for what is not a regular file, such as a pipe. */
export async function exposureOf(path: string): Promise<string | undefined> {
  const status = await stat(path)
  return status.isFile() ? FileTrust.ofThisUser().exposure(path, status) : undefined
}

/** Largest configuration file. A sanity bound: real ones have a few kilobytes. */
const MAX_BYTES = 1 << 20

/**
 * The text of a configuration file that is believed; undefined if it does not exist.
 * @throws AgentError `file-unreadable`, also if it is not a regular file, or if another user than the one
 *   of `trust` and root could have written it
 */
export async function readBelieved(path: string, trust: FileTrust): Promise<string | undefined> {
  try {
    // Not to block on a pipe of that name.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const status = await file.stat()
      if (!status.isFile()) throw notRead(path, 'it is not a regular file')
      if (status.size > MAX_BYTES) throw notRead(path, `it is larger than ${MAX_BYTES} bytes`)
      const fault = trust.fault(await realpath(path), status) ?? (await trust.pathFault(path))
      if (fault !== undefined) throw notBelieved(path, fault)
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error instanceof AgentError ? error : unreadable(path, error)
  }
}

function notBelieved(path: string, fault: TrustFault): AgentError {
  const what = fault.path === path ? '' : `${fault.path}: `
  return notRead(path, `${what}${fault.reason}`, fault.remedy)
}

function notRead(path: string, reason: string, remedy?: string): AgentError {
  const hint = remedy === undefined ? undefined : `If its content is as you want it: ${remedy}`
  return new AgentError('file-unreadable', `will not read ${path}: ${reason}`, { hint })
}
