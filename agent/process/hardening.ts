import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type koffi from 'koffi'
import { AgentError } from '../../protocol/wire/errors.ts'

/** Linux's numbers for what Node has no call for. */
const PR_SET_DUMPABLE = 4
const RLIMIT_CORE = 4
const SOL_SOCKET = 1
const SO_PEERCRED = 17
/** struct ucred: pid, uid, gid, 32 bits each. */
const UCRED_BYTES = 12
const UID_OFFSET = 4

type Native = typeof koffi
export type PeerUid = (socket: Socket) => number | undefined

export interface Hardening {
  /** The uid of the process at the other end of a Unix socket; undefined where it cannot be told. */
  readonly peerUid: PeerUid
  /** What could not be done, for the log. */
  readonly missingProtections: readonly string[]
}

/**
 * Does what ssh-agent does to itself: no core dump, no tracing by other processes of the user, and
 * a way to see who connects. Needs native calls; where they are missing (another system, no
 * prebuilt koffi) the socket's modes are the protection, and the log says so.
 */
export function hardenProcess(load: () => Native = loadKoffi): Hardening {
  if (process.platform !== 'linux') return unhardened(`not on ${process.platform}`)
  try {
    const native = load()
    const libc = native.load('libc.so.6')
    const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)') as (
      ...n: number[]
    ) => number
    const limits = libc.func('int setrlimit(int, void *)') as (which: number, b: Buffer) => number
    const missingProtections: string[] = []
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) !== 0)
      missingProtections.push('prctl(PR_SET_DUMPABLE) failed')
    if (limits(RLIMIT_CORE, Buffer.alloc(16)) !== 0)
      missingProtections.push('setrlimit(RLIMIT_CORE) failed')
    return { peerUid: peerUidBy(libc), missingProtections }
  } catch (error) {
    return unhardened(error instanceof Error ? error.message : String(error))
  }
}

function unhardened(reason: string): Hardening {
  const missingProtections = [
    `no native calls (${reason}): tracing and core dumps are not prevented`,
  ]
  return { peerUid: () => undefined, missingProtections }
}

function peerUidBy(libc: ReturnType<Native['load']>): PeerUid {
  const getsockopt = libc.func('int getsockopt(int, int, int, void *, int *)') as (
    ...args: [number, number, number, Buffer, Buffer]
  ) => number
  const credentials = Buffer.alloc(UCRED_BYTES)
  const size = Buffer.alloc(4)
  return (socket) => {
    const fd = descriptorOf(socket)
    if (fd === undefined) return undefined
    size.writeInt32LE(UCRED_BYTES)
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, size) !== 0) return undefined
    return credentials.readUInt32LE(UID_OFFSET)
  }
}

/** Node keeps the descriptor of a socket on an undocumented handle; there is no public way to it. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null }
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}

function loadKoffi(): Native {
  // Required at run time: native code cannot be in the bundle, and without it the agent still runs.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the bundle is CommonJS
  return require('koffi') as Native
}

/**
 * The id of a group by its name, from /etc/group: Node has no getgrnam. Groups of a directory
 * service are not found there; their number can be given instead.
 * @throws AgentError `bad-request` where there is no such group
 */
export function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group)
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${group}:`))
  const id = line?.split(':')[2]
  if (id === undefined) {
    throw new AgentError('bad-request', `Group does not exist: ${group}`, {
      hint: 'Give a group of /etc/group, or the number of one, to --with-group.',
    })
  }
  return Number(id)
}
