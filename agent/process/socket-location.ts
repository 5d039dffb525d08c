import { randomBytes } from 'node:crypto'
import { chownSync, lstatSync, mkdtempSync, rmdirSync, statSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { makeDirectories } from '../../protocol/storage/files.ts'
import { AgentError, systemReason } from '../../protocol/wire/errors.ts'
import { shellQuote } from '../../protocol/wire/text.ts'

/** sun_path has 108 bytes with its final NUL (unix(7)). */
const MAX_PATH_BYTES = 107
const GROUP_OR_OTHERS_WRITE = 0o022
const STICKY = 0o1000

/** Where the agent's socket is, and what to remove at the end. */
export interface SocketLocation {
  readonly path: string
  /** The directory, if it was made for this socket. */
  readonly madeDirectory: string | undefined
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
    checkTrust(dirname(location.path), options.uid)
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

/** Gives a group access to the socket's directory (`--with-group`). */
export function shareDirectory(location: SocketLocation, gid: number): void {
  chownSync(dirname(location.path), -1, gid)
}

function removeDirectory({ madeDirectory }: SocketLocation): void {
  if (madeDirectory === undefined) return
  try {
    rmdirSync(madeDirectory)
  } catch {
    // Not empty: another program has put a file into it.
  }
}

function defaultLocation({ temporaryDirectory, parentPid }: SocketOptions): SocketLocation {
  // mkdtemp makes it with mode 0700, and never uses an existing directory.
  const madeDirectory = makeAt(temporaryDirectory, () =>
    mkdtempSync(join(temporaryDirectory, 'oidc-')),
  )
  return { path: join(madeDirectory, `oidc-agent.${parentPid}`), madeDirectory }
}

function chosenLocation(socketPath: string, { parentPid }: SocketOptions): SocketLocation {
  const isDirectory = socketPath.endsWith(sep)
  const directory = resolve(isDirectory ? socketPath : dirname(socketPath))
    .split(sep)
    .map((part) => (part.endsWith('XXXXXX') ? part.slice(0, -6) + randomName() : part))
    .join(sep)
  const first = makeAt(directory, () => makeDirectories(directory))
  const name = isDirectory ? `oidc-agent.${parentPid}` : basename(socketPath)
  return { path: join(directory, name), madeDirectory: first === undefined ? undefined : directory }
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

/**
 * Checks that only this user or root can change the directories of the path: others could replace the
 * socket by their own. A sticky directory (/tmp) is allowed: in it only owners can rename.
 */
function checkTrust(directory: string, uid: number): void {
  for (let path = directory; ; path = dirname(path)) {
    const { mode, uid: owner } = statSync(path)
    const writable = (mode & GROUP_OR_OTHERS_WRITE) !== 0 && (mode & STICKY) === 0
    if ((owner !== uid && owner !== 0) || writable) {
      const why = writable ? 'others can write to it' : `it belongs to uid ${owner}`
      throw new AgentError(
        'file-unwritable',
        `socket path location is not trustworthy: ${path}: ${why}`,
        {
          hint: 'Choose a directory with --socket-path that only you can write to.',
        },
      )
    }
    if (path === dirname(path)) return
  }
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
