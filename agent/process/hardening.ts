import { readdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type koffi from 'koffi'
import { AgentError } from '../../protocol/wire/errors.ts'

/** Constants of Linux system calls that Node does not offer: prctl(2), setrlimit(2), unix(7). */
const PR_SET_DUMPABLE = 4
const RLIMIT_CORE = 4
const SOL_SOCKET = 1
const SO_PEERCRED = 17
const SO_PEERGROUPS = 59
/** struct ucred: pid, uid, gid, 32 bits each. */
const UCRED_BYTES = 12
const UID_OFFSET = 4
const GID_OFFSET = 8
/** Most supplementary groups of a process (NGROUPS_MAX), 32 bits each. */
const GROUPS_BYTES = 65_536 * 4

type Native = typeof koffi

/** The process at the other end of a Unix socket, as the kernel knows it (unix(7), SO_PEERCRED). */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  /** Its primary group and the supplementary ones (SO_PEERGROUPS, Linux 4.13). */
  readonly groups: readonly number[]
}

/** Undefined where the kernel does not tell. */
export type ReadCredentials = (socket: Socket) => PeerCredentials | undefined

export interface Hardening {
  /** Undefined without native calls: then no peer can be told from another. */
  readonly readCredentials: ReadCredentials | undefined
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
    return { readCredentials: readCredentialsBy(libc), missingProtections }
  } catch (error) {
    return unhardened(error instanceof Error ? error.message : String(error))
  }
}

function unhardened(reason: string): Hardening {
  const missingProtections = [
    `no native calls (${reason}): tracing and core dumps are not prevented`,
  ]
  return { readCredentials: undefined, missingProtections }
}

function readCredentialsBy(libc: ReturnType<Native['load']>): ReadCredentials {
  const getsockopt = libc.func('int getsockopt(int, int, int, void *, int *)') as (
    ...args: [number, number, number, Buffer, Buffer]
  ) => number
  const size = Buffer.alloc(4)
  const read = (fd: number, option: number, into: Buffer): number | undefined => {
    size.writeInt32LE(into.length)
    return getsockopt(fd, SOL_SOCKET, option, into, size) === 0 ? size.readInt32LE() : undefined
  }
  const credentials = Buffer.alloc(UCRED_BYTES)
  return (socket) => {
    const fd = descriptorOf(socket)
    if (fd === undefined || read(fd, SO_PEERCRED, credentials) === undefined) return undefined
    const uid = credentials.readUInt32LE(UID_OFFSET)
    const primary = credentials.readUInt32LE(GID_OFFSET)
    const pid = credentials.readInt32LE()
    return {
      pid,
      uid,
      // Only looked at for a peer of another uid.
      get groups() {
        const list = Buffer.alloc(GROUPS_BYTES)
        const bytes = read(fd, SO_PEERGROUPS, list) ?? 0
        const others = Array.from({ length: bytes / 4 }, (_, index) => list.readUInt32LE(4 * index))
        return [primary, ...others]
      },
    }
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

/** Most connections that the agent ever holds. A sanity bound: each takes some 15 kB. */
const MAX_CONNECTIONS = 8192
/** Descriptors that are kept: 16 for the redirects of a login, 8 for refused clients, and for providers and files. */
const RESERVED_DESCRIPTORS = 32
const FEWEST_CONNECTIONS = 4

/**
 * How many connections the agent can hold, by the descriptors that this process may open (`ulimit -n`, which
 * Node raises to the hard limit), those that are open now, and a reserve.
 */
export function connectionLimit(): number {
  const left = descriptorLimit() - openDescriptors() - RESERVED_DESCRIPTORS
  return Math.min(Math.max(left, FEWEST_CONNECTIONS), MAX_CONNECTIONS)
}

function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? []
    return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft ?? 256)
  } catch {
    // The least that systems give a process: macOS.
    return 256
  }
}

function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 32
  }
}
