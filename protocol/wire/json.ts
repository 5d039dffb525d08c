import { AgentError } from './errors.ts'

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }
export type JsonObject = Readonly<Record<string, JsonValue>>

/** Objects and arrays within one another. A sanity bound: deeper JSON exhausts the stack of those who walk it. */
const MAX_DEPTH = 200

/**
 * Reads JSON as the C peer writes it (protocol.md §2.3): line feeds and tabs inside strings, a NUL
 * or spaces at the end, two objects glued together, of which the first counts.
 * @throws AgentError `bad-request` where even so there is no JSON.
 */
export function parseTolerantJson(text: string): JsonValue {
  if (text.length > 2 * MAX_DEPTH) checkDepth(text)
  const value = parsed(text) ?? parsed(mendedJson(text))
  if (value === undefined) throw new AgentError('bad-request', 'Bad Request: could not parse json')
  return value.json
}

/**
 * Reads a JSON object, as tolerantly.
 * @throws AgentError `bad-request` with the C peer's text for what is no JSON, or no object
 */
export function parseJsonObject(text: string): JsonObject {
  const value = parseTolerantJson(text)
  if (!isJsonObject(value)) throw notAnObject()
  return value
}

/** The error of JSON that is no object. */
export function notAnObject(): AgentError {
  return new AgentError('bad-request', 'Bad Request: is not a json object')
}

/** Whether a value of unknown shape is a JSON object, and no array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a JSON value is an array. `Array.isArray` alone makes its items `any`. */
export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

/** @throws AgentError `bad-request` where the first object or array of `text` is nested too deep. */
function checkDepth(text: string): void {
  const scan = new JsonScan()
  for (let at = 0; at < text.length && !scan.ended; at += 1) scan.next(text.charCodeAt(at))
}

function tooDeep(): AgentError {
  return new AgentError(
    'bad-request',
    `Bad Request: the JSON is nested more than ${MAX_DEPTH} levels deep`,
  )
}

function parsed(text: string): { readonly json: JsonValue } | undefined {
  try {
    return { json: JSON.parse(text) as JsonValue }
  } catch {
    return undefined
  }
}

/** The first whole object or array of `text`, with the control characters in its strings escaped. */
function mendedJson(text: string): string {
  const pieces: string[] = []
  const scan = new JsonScan()
  let from = 0
  let at = 0
  for (; at < text.length && !scan.ended; at += 1) {
    const code = text.charCodeAt(at)
    if (scan.inString && code < 0x20) {
      pieces.push(text.slice(from, at), escaped(text.charAt(at)))
      from = at + 1
    }
    scan.next(code)
  }
  return pieces.join('') + text.slice(from, at).replace(/[\0\s]+$/, '')
}

function escaped(control: string): string {
  return JSON.stringify(control).slice(1, -1)
}

const quote = 0x22
const backslash = 0x5c
/** `[` and `{`. */
const opening: ReadonlySet<number> = new Set([0x5b, 0x7b])
/** `]` and `}`. */
const closing: ReadonlySet<number> = new Set([0x5d, 0x7d])

/**
 * Follows JSON by its UTF-8 bytes or UTF-16 units, one at a time, and knows where the first object
 * or array ends: all that decides this is ASCII.
 */
export class JsonScan {
  #depth = 0
  #inString = false
  #escaped = false
  #ended = false

  /** Whether the bracket that closes the first object or array has been seen. */
  get ended(): boolean {
    return this.#ended
  }

  get inString(): boolean {
    return this.#inString
  }

  /** @throws AgentError `bad-request` where the JSON is nested too deep. */
  next(code: number): void {
    if (this.#inString) this.#insideString(code)
    else if (code === quote) this.#inString = true
    else if (opening.has(code)) this.#open()
    else if (closing.has(code)) this.#close()
  }

  #insideString(code: number): void {
    if (this.#escaped) this.#escaped = false
    else if (code === backslash) this.#escaped = true
    else if (code === quote) this.#inString = false
  }

  #open(): void {
    this.#depth += 1
    if (this.#depth > MAX_DEPTH) throw tooDeep()
  }

  #close(): void {
    this.#depth -= 1
    this.#ended = this.#depth <= 0
  }
}
