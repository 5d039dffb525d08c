import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { AgentError, errorCodes, peerError, systemCode, systemReason } from '../wire/errors.ts'

/** The address of an agent's socket. */
export type AgentAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

export interface CallOptions {
  /** Milliseconds for the whole call; default 60,000. */
  readonly timeoutMs?: number | undefined
  /** Ends the call: with its reason if that is an AgentError, else with the code `cancelled`. */
  readonly signal?: AbortSignal | undefined
  /** Other times of a long wait, for tests. */
  readonly times?: WaitTimes | undefined
}

/** What a call that takes long goes by, in milliseconds from its start or from the last answered check. */
export interface WaitTimes {
  /** When the person is told that the agent has not answered. */
  readonly noticeMs: number
  /** Between two checks whether the agent still works on the request. */
  readonly checkMs: number
  /** Without an answer to a check for so long, the agent hangs. */
  readonly silentMs: number
  /** The agent may be asking the person for a password or a confirmation, for which it allows 300 s. */
  readonly totalMs: number
}

export const WAIT_TIMES: WaitTimes = {
  noticeMs: 5000,
  checkMs: 20_000,
  silentMs: 60_000,
  totalMs: 330_000,
}

/** Milliseconds for a request during which the agent asks nobody; a refresh takes at most 20 s. */
const CALL_TIMEOUT_MS = 60_000

/** The longest delay of a timer: with a longer one it fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Largest reply that is accepted. A sanity bound, not part of the protocol. */
const MAX_REPLY_BYTES = 16 << 20

/** Longest pause before another attempt to connect to an agent whose backlog is full. */
const MAX_PAUSE_MS = 100

/**
 * Connects to an agent, runs `session` on the connection, and closes it.
 * @throws AgentError `agent-unreachable`, `agent-timeout`, `peer-disconnected`, `cancelled`, or the
 *   errors of `session`
 */
export async function withAgent<T>(
  address: AgentAddress | undefined,
  options: CallOptions,
  session: (socket: Socket) => Promise<T>,
): Promise<T> {
  if (address === undefined) throw noAddress()
  const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS
  const deadline = AbortSignal.timeout(Math.min(timeoutMs, LONGEST_TIMER_MS))
  const signal = AbortSignal.any(options.signal ? [deadline, options.signal] : [deadline])
  try {
    const socket = await openSocket(address, signal)
    try {
      return await session(socket)
    } finally {
      socket.destroy()
    }
  } catch (error) {
    if (error instanceof AgentError) throw error
    if (options.signal?.aborted === true) throw reasonOf(options.signal)
    if (deadline.aborted) throw timedOut(timeoutMs)
    throw unreachable(address, error)
  }
}

/**
 * Reads until the agent closes the connection.
 * @throws AgentError `message-malformed` if the reply is too large, `peer-disconnected` if it is
 *   empty
 */
export function readToEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  return readMessage(socket, {
    push: (chunk) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > MAX_REPLY_BYTES) throw tooMuch()
      return undefined
    },
    end: () => {
      if (length === 0) throw peerError('peer-disconnected')
      return Buffer.concat(chunks).toString()
    },
  })
}

/** Assembles a message from the chunks of a stream, as `RequestReader` does. */
export interface MessageReader<T> {
  /** Returns the message once it is complete. */
  push(chunk: Buffer): T | undefined
  /** Returns the message that ends with the stream. */
  end(): T
}

/**
 * Reads until `reader` has a complete message. By events, not by iteration: if an agent refuses a
 * request without reading all of it and resets the connection, an iterator drops the reply before
 * the reset.
 * @throws AgentError the errors of `reader`
 */
export function readMessage<T>(socket: Socket, reader: MessageReader<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const attempt = (work: () => T | undefined): void => {
      try {
        const message = work()
        if (message === undefined) return
        resolve(message)
      } catch (error) {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it was thrown
        reject(error)
      }
      socket.off('data', onData).off('end', onEnd).off('error', onError)
    }
    const onData = (chunk: Buffer): void => {
      attempt(() => reader.push(chunk))
    }
    const onEnd = (): void => {
      attempt(() => reader.end())
    }
    const onError = (error: Error): void => {
      attempt(() => {
        if (!isHangUp(error)) throw error
        return reader.end()
      })
    }
    socket.on('data', onData).on('end', onEnd).on('error', onError)
  })
}

/** Whether the peer closed the connection without reading all that was sent. */
function isHangUp(error: Error): boolean {
  const code = systemCode(error)
  return code === 'ECONNRESET' || code === 'EPIPE'
}

async function openSocket(address: AgentAddress, signal: AbortSignal): Promise<Socket> {
  for (let wait = 1; ; wait = Math.min(2 * wait, MAX_PAUSE_MS)) {
    try {
      return await connected(address, signal)
    } catch (error) {
      // The backlog is full: that of the C agent holds five, and it serves one client at a time.
      if (systemCode(error) !== 'EAGAIN') throw error
    }
    await pause(wait, undefined, { signal })
  }
}

async function connected(address: AgentAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const place =
    address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }
  const socket = connect(place)
  const abandon = (): void => {
    socket.destroy(signal.reason as Error)
  }
  signal.addEventListener('abort', abandon)
  // Removed after each attempt: a busy agent needs many, and Node warns of eleven listeners on a signal.
  socket.once('close', () => signal.removeEventListener('abort', abandon))
  await once(socket, 'connect')
  // While no reader listens, an error would have no listener and end the process.
  return socket.on('error', () => undefined)
}

function reasonOf({ reason }: AbortSignal): AgentError {
  return reason instanceof AgentError ? reason : new AgentError('cancelled', 'cancelled')
}

function noAddress(): AgentError {
  return new AgentError(
    'agent-unreachable',
    `${errorCodes['agent-unreachable'].peerText}: OIDC_SOCK is not set`,
    {
      hint: `Start an agent in this shell, or set OIDC_SOCK to the socket of a running agent:\n${startAgent}`,
    },
  )
}

const startAgent = '\teval $(oidc-agent)'

function unreachable(address: AgentAddress, error: unknown): AgentError {
  const reason =
    address.kind === 'unix' ? unixReason(address.path, error) : tcpReason(address, error)
  const hint =
    address.kind === 'unix'
      ? `Start an agent:\n${startAgent}`
      : 'Check OIDC_REMOTE_SOCK and the relay that it names.'
  const message = `${errorCodes['agent-unreachable'].peerText}: ${reason}`
  return new AgentError('agent-unreachable', message, { hint, cause: error })
}

function unixReason(path: string, error: unknown): string {
  const code = systemCode(error)
  if (code === 'ENOENT') return `there is no socket ${path}`
  if (code === 'ECONNREFUSED') return `nothing listens on ${path} any more`
  if (code === 'EACCES') return `no permission to connect to ${path}`
  return `${path}: ${systemReason(error)}`
}

function tcpReason(
  address: { readonly host: string; readonly port: number },
  error: unknown,
): string {
  const place = `${address.host}:${address.port}`
  return systemCode(error) === 'ECONNREFUSED'
    ? `nothing listens on ${place}`
    : `${place}: ${systemReason(error)}`
}

function timedOut(timeoutMs: number): AgentError {
  return new AgentError('agent-timeout', `oidc-agent did not answer within ${timeoutMs / 1000} s`)
}

function tooMuch(): AgentError {
  return new AgentError(
    'message-malformed',
    `the agent's reply is larger than ${MAX_REPLY_BYTES} bytes`,
  )
}
