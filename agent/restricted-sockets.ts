import { type Ceiling, formatCeiling } from '../protocol/wire/ceiling.ts'
import { AgentError, systemReason } from '../protocol/wire/errors.ts'
import type { ShareState, UnixSeconds } from '../protocol/wire/messages.ts'
import { type CancelTimer, KeyedMutex, type Runtime, startTimer } from './concurrency.ts'
import type { Log } from './log.ts'
import {
  prepareSocketLocation,
  removeSocket,
  type SocketLocation,
} from './process/socket-location.ts'

/** Forced refreshes that a socket allows at once, and then one in each interval. */
const FORCED_BURST = 5
const FORCED_INTERVAL_MS = 10_000
/** A sanity bound: each socket has a descriptor. */
const MAX_SOCKETS = 64

/** What the peers of one restricted socket may get. */
export interface Share {
  readonly ceilings: readonly Ceiling[]
  /**
   * Counts a forced refresh.
   * @throws AgentError `rate-limited` if there were too many
   */
  countForced(): void
}

/** A server on a socket. */
export interface ShareServer {
  close(reason?: AgentError): Promise<void>
}

/** Starts a server whose peers may get `share`. */
export type ListenShared = (path: string, share: Share) => Promise<ShareServer>

interface Entry {
  readonly location: SocketLocation
  readonly share: Share
  readonly server: ShareServer
  /** Undefined: until the agent ends. */
  readonly expiresAt: UnixSeconds | undefined
  readonly cancelEnd: CancelTimer | undefined
}

/** Owner of the restricted sockets: they end by request, at the end of their time, or with the agent. */
export class RestrictedSockets {
  readonly #listen: ListenShared
  readonly #runtime: Runtime
  readonly #log: Log
  readonly #entries = new Map<string, Entry>()
  /** Two requests for one path must not both find it free. */
  readonly #opening = new KeyedMutex(1)
  #isClosed = false

  constructor(parts: {
    readonly listen: ListenShared
    readonly runtime: Runtime
    readonly log: Log
  }) {
    this.#listen = parts.listen
    this.#runtime = parts.runtime
    this.#log = parts.log
  }

  /**
   * Opens a restricted socket, with mode 0600, in a directory that only this user can change; a directory that
   * does not exist is made. Returns its path.
   * @param seconds how long it stays; 0 = until the agent ends
   * @throws AgentError `file-unwritable`; `bad-request` without ceilings or with too many sockets
   */
  open(path: string, ceilings: readonly Ceiling[], seconds: number): Promise<string> {
    return this.#opening.run('', async () => {
      if (ceilings.length === 0) {
        throw new AgentError('bad-request', 'a restricted socket needs at least one --allow')
      }
      if (this.#isClosed) throw shuttingDown()
      if (this.#entries.size >= MAX_SOCKETS) {
        throw new AgentError('bad-request', `there are ${MAX_SOCKETS} restricted sockets already`, {
          hint: 'To close one:\n\t$ oidc-add --unshare=PATH',
        })
      }
      const location = await prepare(path)
      const share = { ceilings, countForced: forcedLimit(this.#runtime) }
      const server = await this.#serve(location, share)
      const end = seconds > 0 ? this.#runtime.now() + seconds * 1000 : undefined
      const cancelEnd = end === undefined ? undefined : this.#closeAt(end, location.path)
      const expiresAt = end === undefined ? undefined : Math.round(end / 1000)
      this.#entries.set(location.path, { location, share, server, expiresAt, cancelEnd })
      this.#log.debug(`listening on the restricted socket ${location.path}`)
      return location.path
    })
  }

  /** Closes a restricted socket, its connections and its timer. Returns whether there was one at `path`. */
  async close(path: string): Promise<boolean> {
    const entry = this.#entries.get(path)
    if (entry === undefined) return false
    this.#entries.delete(path)
    entry.cancelEnd?.()
    await entry.server.close(
      new AgentError('agent-unreachable', 'the restricted socket is no longer shared'),
    )
    removeSocket(entry.location)
    this.#log.debug(`closed the restricted socket ${path}`)
    return true
  }

  /** Closes all of them, at the end of the agent. */
  async closeAll(): Promise<void> {
    // An open under way is awaited; one that comes later is refused.
    this.#isClosed = true
    await this.#opening.run('', () => Promise.resolve())
    await Promise.all([...this.#entries.keys()].map((path) => this.close(path)))
  }

  /** The restricted sockets for the status, in the order in which they were opened. */
  list(): readonly ShareState[] {
    return [...this.#entries].map(([path, { share, expiresAt }]) => ({
      path,
      allow: share.ceilings.map(formatCeiling),
      expires_at: expiresAt ?? null,
    }))
  }

  async #serve(location: SocketLocation, share: Share): Promise<ShareServer> {
    try {
      return await this.#listen(location.path, share)
    } catch (cause) {
      removeSocket(location)
      const message = `cannot listen on ${location.path}: ${systemReason(cause)}`
      throw new AgentError('file-unwritable', message, { hint: OTHER_PATH, cause })
    }
  }

  #closeAt(end: number, path: string): CancelTimer {
    return startTimer(this.#runtime, end, () => {
      this.close(path).catch((error: unknown) => {
        this.#log.warn(`could not close the restricted socket ${path}: ${systemReason(error)}`)
      })
    })
  }
}

const OTHER_PATH =
  'Choose another path for the restricted socket, in a directory that only you can write to.'

async function prepare(path: string): Promise<SocketLocation> {
  try {
    return await prepareSocketLocation({
      socketPath: path,
      parentPid: process.pid,
      temporaryDirectory: '/tmp',
      uid: process.getuid?.() ?? 0,
    })
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause
    throw new AgentError(cause.code, cause.message, { hint: OTHER_PATH, cause })
  }
}

function shuttingDown(): AgentError {
  return new AgentError('agent-unreachable', 'the agent is shutting down')
}

/** A token bucket: {@link FORCED_BURST} at once, then one in {@link FORCED_INTERVAL_MS}. */
function forcedLimit({ now }: Runtime): () => void {
  /** When the bucket is full again, milliseconds since 1970. */
  let fullAt = 0
  return () => {
    const at = now()
    // A clock that was set back must not lock the socket for that time.
    const used = Math.min(Math.max(fullAt - at, 0), FORCED_BURST * FORCED_INTERVAL_MS)
    const wait = used - (FORCED_BURST - 1) * FORCED_INTERVAL_MS
    if (wait > 0) {
      const seconds = Math.ceil(wait / 1000)
      throw new AgentError(
        'rate-limited',
        `too many forced refreshes on this restricted socket: the next one is possible in ${seconds} s`,
        { hint: 'Without --force-new the agent gives out the token that it has.' },
      )
    }
    fullAt = at + used + FORCED_INTERVAL_MS
  }
}
