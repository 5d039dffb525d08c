import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type koffi from 'koffi'
import { AgentError } from '../../protocol/wire/errors.ts'

/** Constants of Linux system calls that Node does not offer: prctl(2), setrlimit(2), unix(7). */
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
  /** The uid of the process at the other end of a Unix socket; undefined if the system does not report it. */
  readonly peerUid: PeerUid
  /** Protections that could not be set up, for the log. */
  readonly missingProtections: readonly string[]
}

/**
 * Protects this process as ssh-agent does: no core dumps, no tracing by other processes of the user; and
 * reads the uid of clients. Needs native calls. Without them (another system, no prebuilt koffi) only the
 * modes of the socket protect the agent, and `missingProtections` reports that.
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

/** The descriptor of a socket. Node has it only on an undocumented handle. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null }
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}

function loadKoffi(): Native {
  // Loaded at run time: native code cannot be bundled, and the agent also runs without it.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the bundle is CommonJS
  return require('koffi') as Native
}

/**
 * The id of a group, by its name in /etc/group or its number. Node has no getgrnam(3), so a group of a
 * directory service must be given by its number.
 * @throws AgentError `bad-request` if there is no such group
 */
export function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group)
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${group}:`))
  const id = line?.split(':')[2]
  if (id === undefined) {
    throw new AgentError('bad-request', `Group does not exist: ${group}`, {
      hint: 'Give --with-group a group of /etc/group, or the number of a group.',
    })
  }
  return Number(id)
}
