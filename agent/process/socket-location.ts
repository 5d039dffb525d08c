import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, lstatSync, mkdtempSync, rmdirSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { FileTrust } from '../../protocol/storage/file-trust.ts'
import { makeDirectories } from '../../protocol/storage/files.ts'
import { AgentError, systemReason } from '../../protocol/wire/errors.ts'
import { shellQuote } from '../../protocol/wire/text.ts'

/** sun_path has 108 bytes with its final NUL (unix(7)). */
const MAX_PATH_BYTES = 107

/** Where the agent's socket is, and what to remove at the end. */
export interface SocketLocation {
  readonly path: string
  /** The directories that were made for this socket, the innermost first. */
  readonly madeDirectories: readonly string[]
}

export interface SocketOptions {
  /** A path; a directory ending in `/`; `XXXXXX` at the end of a directory's name is made random. */
  readonly socketPath: string | undefined
  readonly parentPid: number
  /** $TMPDIR, or /tmp. */
  readonly temporaryDirectory: string
  readonly uid: number
}

/**
 * Chooses and prepares the location of the socket: makes directories with mode 0700, checks every directory
 * of the path, removes a stale socket.
 * @throws AgentError `file-unwritable` if others can write to the location, or an agent listens there; no
 *   new directory is left then
 */
export async function prepareSocketLocation(options: SocketOptions): Promise<SocketLocation> {
  const location =
    options.socketPath === undefined
      ? defaultLocation(options)
      : chosenLocation(options.socketPath, options)
  try {
    checkLength(location.path)
    await checkTrust(location.path, options.uid)
    await removeStale(location.path, options.uid)
  } catch (error) {
    removeDirectory(location)
    throw error
  }
  return location
}

/** Removes what {@link prepareSocketLocation} and the server made. */
export function removeSocket(location: SocketLocation): void {
  try {
    unlinkSync(location.path)
  } catch {
    // The server has removed it when it closed, or another program has.
  }
  removeDirectory(location)
}

/**
 * Shares the socket with a group, as `--with-group` asks. Members may pass through the directories that
 * the agent made, and connect; they may not list them, nor put a socket of their own there, as in those of
 * the C agent (mode 2770). A directory of the user's own stays as it is.
 * @throws AgentError `bad-request` where the user is no member of the group
 */
export function shareSocket(location: SocketLocation, gid: number): void {
  try {
    for (const directory of location.madeDirectories) {
      chownSync(directory, -1, gid)
      chmodSync(directory, 0o710)
    }
    chownSync(location.path, -1, gid)
    chmodSync(location.path, 0o660)
  } catch (cause) {
    throw new AgentError(
      'bad-request',
      `the socket cannot be shared with the group ${gid}: ${systemReason(cause)}`,
      { hint: 'Give a group of which you are a member to --with-group.', cause },
    )
  }
}

function removeDirectory({ madeDirectories: [innermost] }: SocketLocation): void {
  if (innermost === undefined) return
  try {
    rmdirSync(innermost)
  } catch {
    // Not empty: another program has put a file into it.
  }
}

function defaultLocation({ temporaryDirectory, parentPid }: SocketOptions): SocketLocation {
  // mkdtemp makes it with mode 0700, and never uses an existing directory.
  const madeDirectory = makeAt(temporaryDirectory, () =>
    mkdtempSync(join(temporaryDirectory, 'oidc-')),
  )
  const path = join(madeDirectory, `oidc-agent.${parentPid}`)
  return { path, madeDirectories: [madeDirectory] }
}

function chosenLocation(socketPath: string, { parentPid }: SocketOptions): SocketLocation {
  const isDirectory = socketPath.endsWith(sep)
  const directory = resolve(isDirectory ? socketPath : dirname(socketPath))
    .split(sep)
    .map((part) => (part.endsWith('XXXXXX') ? part.slice(0, -6) + randomName() : part))
    .join(sep)
  const first = makeAt(directory, () => makeDirectories(directory))
  const name = isDirectory ? `oidc-agent.${parentPid}` : basename(socketPath)
  return { path: join(directory, name), madeDirectories: upTo(first, directory) }
}

/** `directory` and those above it up to `first`; none where that is undefined. */
function upTo(first: string | undefined, directory: string): readonly string[] {
  if (first === undefined) return []
  return directory === first ? [directory] : [directory, ...upTo(first, dirname(directory))]
}

function makeAt<T>(directory: string, make: () => T): T {
  try {
    return make()
  } catch (cause) {
    throw new AgentError(
      'file-unwritable',
      `cannot make the directory of the socket in ${directory}: ${systemReason(cause)}`,
      {
        hint: 'Choose another path with --socket-path, or another TMPDIR.',
        cause,
      },
    )
  }
}

/** Six random characters, as of mkdtemp. */
function randomName(): string {
  return randomBytes(6).toString('base64url').replace(/[-_]/g, 'x').slice(0, 6)
}

function checkLength(path: string): void {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return
  throw new AgentError(
    'file-unwritable',
    `the socket path ${path} is longer than the ${MAX_PATH_BYTES} bytes that a Unix socket may have`,
    { hint: 'Choose a shorter one with --socket-path, or a shorter TMPDIR.' },
  )
}

/** Checks that only this user or root can change the directories of the path: others could replace the socket. */
async function checkTrust(path: string, uid: number): Promise<void> {
  const fault = await new FileTrust({ uid, groups: 'none' }).pathFault(path)
  if (fault === undefined) return
  throw new AgentError(
    'file-unwritable',
    `socket path location is not trustworthy: ${fault.path}: ${fault.reason}`,
    { hint: 'Choose a directory with --socket-path that only you can write to.' },
  )
}

async function removeStale(path: string, uid: number): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket() || found.uid !== uid) {
    throw new AgentError('file-unwritable', `${path} exists and is not a socket of this user`, {
      hint: 'Choose another path with --socket-path, or remove this file.',
    })
  }
  if (await isLive(path)) {
    throw new AgentError('file-unwritable', `an agent is already running on ${path}`, {
      hint: `Use it:\n\t$ export OIDC_SOCK=${shellQuote(path)}\nor choose another path with --socket-path.`,
    })
  }
  unlinkSync(path)
}

function isLive(path: string): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      settle(true)
    })
    // A full queue (EAGAIN) is a live agent, too. Only ECONNREFUSED means that no process listens.
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'ECONNREFUSED'))
  })
}
