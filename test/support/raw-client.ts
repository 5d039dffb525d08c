import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection to an agent that sends any bytes, well-formed or not. */
export class RawClient {
  readonly #socket: Socket
  readonly #chunks: Buffer[] = []
  readonly #closed: Promise<unknown>

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    // The agent resets the connection of a client that breaks the protocol.
    socket.on('error', () => undefined)
    this.#closed = once(socket, 'close')
  }

  static async open(path: string): Promise<RawClient> {
    const socket = connect(path)
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  get received(): string {
    return Buffer.concat(this.#chunks).toString()
  }

  /** Resolves when the kernel has accepted the bytes. */
  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve())
    })
  }

  /** Resolves when the agent closes, with all that was received. */
  async reply(): Promise<string> {
    await this.#closed
    return this.received
  }

  /** Resolves with the first bytes received. */
  async someReply(): Promise<string> {
    if (this.received === '') await once(this.#socket, 'data')
    return this.received
  }

  end(): void {
    this.#socket.end()
  }

  /** Closes at once, as a killed client does. */
  vanish(): void {
    this.#socket.destroy()
  }
}

/** Sends `bytes` in one piece. Returns all that the agent replies. */
export async function exchange(path: string, bytes: string | Uint8Array): Promise<string> {
  const client = await RawClient.open(path)
  await client.send(bytes)
  return client.reply()
}
