import { AgentError, peerError } from './errors.ts'
import { JsonScan, notAnObject, parseJsonObject, parseTolerantJson } from './json.ts'
import type { JsonObject } from './messages.ts'
import { TAG_BYTES } from './sodium.ts'
import { decodeBase64 } from './text.ts'

/**
 * Largest message either side accepts. A sanity bound, not part of the protocol: the C peer breaks
 * at 60 000 to 200 000 bytes (protocol.md §1.3).
 */
export const MAX_MESSAGE_BYTES = 1 << 20

/**
 * Size of the steps in which the Go and Python clients read. They take a message whose size is a
 * multiple of it for unfinished, and the Go client then fails at the end of the stream.
 */
export const READ_STEP_BYTES = 4096

/** What a client may begin with: a request in the clear, or the key it wants to be answered under. */
export type FirstMessage =
  | { readonly kind: 'object'; readonly value: JsonObject }
  | { readonly kind: 'key'; readonly publicKey: Uint8Array }

/** Most characters of a sealed message: those of the largest one in the clear, in base64. */
const MAX_SEALED_CHARS = 4 * Math.ceil((MAX_MESSAGE_BYTES + TAG_BYTES) / 3)

/** Bytes of an X25519 public key (RFC 7748 §5), and characters of its base64. */
export const PUBLIC_KEY_BYTES = 32
const KEY_CHARS = 44

/**
 * Gathers a client's first message, in whatever pieces it comes. There is neither length nor
 * terminator (protocol.md §1.3): an object ends with its last bracket, a key with its 44th character.
 */
export class RequestReader {
  readonly #chunks: Uint8Array[] = []
  readonly #scan = new JsonScan()
  #bytes = 0
  #isObject = false

  /**
   * The message, once it is whole; what follows it is ignored.
   * @throws AgentError `bad-request`
   */
  push(chunk: Uint8Array): FirstMessage | undefined {
    const rest = this.#bytes === 0 ? withoutLeadingSpace(chunk) : chunk
    const first = rest[0]
    if (first === undefined) return undefined
    if (this.#bytes === 0) this.#isObject = isObjectStart(first)
    this.#bytes += rest.length
    this.#chunks.push(rest)
    const message = this.#isObject ? this.#object(rest) : this.#key()
    if (message === undefined && this.#bytes > MAX_MESSAGE_BYTES) throw tooLarge()
    return message
  }

  /**
   * The client closed before its message was whole.
   * @throws AgentError `peer-disconnected` where nothing came, else `bad-request`
   */
  end(): never {
    if (this.#bytes === 0) throw peerError('peer-disconnected')
    // A number or a bare word only ends here; one that is JSON gets the more exact error.
    parseTolerantJson(this.#text(this.#bytes))
    throw notAnObject()
  }

  #object(chunk: Uint8Array): FirstMessage | undefined {
    const end = this.#endIn(chunk)
    if (end === undefined) return undefined
    const length = this.#bytes - chunk.length + end
    if (length > MAX_MESSAGE_BYTES) throw tooLarge()
    return { kind: 'object', value: parseJsonObject(this.#text(length)) }
  }

  /** How many bytes of `chunk` belong to the object; each byte is looked at once. */
  #endIn(chunk: Uint8Array): number | undefined {
    let seen = 0
    for (const byte of chunk) {
      this.#scan.next(byte)
      seen += 1
      if (this.#scan.ended) return seen
    }
    return undefined
  }

  #key(): FirstMessage | undefined {
    const text = this.#text(Math.min(this.#bytes, KEY_CHARS))
    if (!/^[A-Za-z0-9+/]+=?$/.test(text)) throw notJson()
    if (text.length < KEY_CHARS) return undefined
    const publicKey = decodeBase64(text)
    if (publicKey?.length !== PUBLIC_KEY_BYTES) throw notJson()
    return { kind: 'key', publicKey }
  }

  #text(length: number): string {
    return Buffer.concat(this.#chunks, length).toString()
  }
}

/** `LENGTH:NONCE:`, and what may still become it. */
const sealedHead = /^(\d{1,7}):[A-Za-z0-9+/]{32}:/
const sealedHeadBeginning = /^\d{1,7}(?::[A-Za-z0-9+/]{0,32})?$/

/**
 * Gathers a sealed message (protocol.md §1.4), in whatever pieces it comes: it ends where its
 * length says.
 */
export class SealedTextReader {
  #head = ''
  #announced = 0
  #body = ''

  /**
   * The message as `LENGTH:NONCE:CIPHERTEXT`, once it is whole; what follows it is ignored.
   * @throws AgentError `message-malformed`
   */
  push(chunk: Uint8Array): string | undefined {
    const text = Buffer.from(chunk)
      .toString('latin1')
      .replace(/[\0\s]+$/, '')
    if (text === '') return undefined
    this.#take(text)
    const sealed = this.#sealed()
    return sealed === undefined ? undefined : this.#head + sealed
  }

  /**
   * The client closed before its message was whole.
   * @throws AgentError `peer-disconnected` where nothing came, else `message-malformed`
   */
  end(): never {
    throw peerError(this.#head === '' ? 'peer-disconnected' : 'message-malformed')
  }

  #take(text: string): void {
    if (this.#announced > 0) {
      this.#append(text)
      return
    }
    this.#head += text
    const match = sealedHead.exec(this.#head)
    if (match === null) {
      if (!sealedHeadBeginning.test(this.#head)) throw peerError('message-malformed')
      return
    }
    this.#announced = base64Length(Number(match[1]) + TAG_BYTES)
    if (this.#announced > base64Length(MAX_MESSAGE_BYTES)) throw peerError('message-malformed')
    const body = this.#head.slice(match[0].length)
    this.#head = match[0]
    this.#append(body)
  }

  #append(text: string): void {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw peerError('message-malformed')
    // Whatever was announced: a message that never gets whole must not fill the memory.
    if (this.#body.length + text.length > MAX_SEALED_CHARS) throw peerError('message-malformed')
    this.#body += text
  }

  /**
   * The ciphertext, where it is whole. Python clients announce characters, not bytes: where more
   * than announced has come, all of it counts as soon as it can be base64.
   */
  #sealed(): string | undefined {
    const length = this.#body.length
    if (this.#announced === 0 || length < this.#announced) return undefined
    return length % 4 === 0 ? this.#body : undefined
  }
}

function base64Length(bytes: number): number {
  return 4 * Math.ceil(bytes / 3)
}

/** The bytes that carry a reply in the clear. */
export function encodeReply(text: string): Buffer {
  const bytes = Buffer.from(text)
  return bytes.length % READ_STEP_BYTES === 0 ? Buffer.concat([bytes, Buffer.from(' ')]) : bytes
}

function withoutLeadingSpace(chunk: Uint8Array): Uint8Array {
  const start = chunk.findIndex((byte) => !spaces.has(byte))
  return start === -1 ? new Uint8Array() : chunk.subarray(start)
}

/** Space, tab, line feed, carriage return (RFC 8259 §2). */
const spaces: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

/** @throws AgentError where the byte begins JSON that is certainly no object. */
function isObjectStart(byte: number): boolean {
  const char = String.fromCharCode(byte)
  if (char === '[' || char === '"') throw notAnObject()
  return char === '{'
}

function notJson(): AgentError {
  return new AgentError('bad-request', 'Bad Request: could not parse json')
}

function tooLarge(): AgentError {
  return new AgentError(
    'bad-request',
    `Bad Request: the message is larger than ${MAX_MESSAGE_BYTES} bytes`,
  )
}
