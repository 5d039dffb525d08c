import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection to an agent that says what it is told to, well-formed or not. */
export class RawClient {
  readonly #socket: Socket
  readonly #chunks: Buffer[] = []
  readonly #closed: Promise<unknown>

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    // What an agent does with a client it has had enough of.
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

  /** Resolves when the kernel has taken it. */
  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve())
    })
  }

  /** All that was received by the time the agent closes. */
  async reply(): Promise<string> {
    await this.#closed
    return this.received
  }

  /** Resolves once something has been received. */
  async someReply(): Promise<string> {
    if (this.received === '') await once(this.#socket, 'data')
    return this.received
  }

  end(): void {
    this.#socket.end()
  }

  /** Gone without a word. */
  vanish(): void {
    this.#socket.destroy()
  }
}

/** Sends `bytes` in one piece and gives all the agent answers. */
export async function exchange(path: string, bytes: string | Uint8Array): Promise<string> {
  const client = await RawClient.open(path)
  await client.send(bytes)
  return client.reply()
}
