import { isAbsolute, resolve } from 'node:path'
import { AgentError } from './errors.ts'
import { isJsonObject, type JsonObject, type JsonValue, parseTolerantJson } from './json.ts'
import { decodeBase64 } from './text.ts'

/**
 * A message is declared as an object of readers, one a field, by the names on the wire. Its parser
 * and its type both follow from that object. The readers in this file are for requests, and have
 * the coercions of the C peer (protocol.md §2.1), which turns each value into a string: 60 and "60"
 * are the same, true is 1, and null and the empty string count as absent.
 */

/** Reads `body[key]`. Returns undefined for an optional field that is absent. */
export type Field<V> = (body: JsonObject, key: string) => V

/** The fields of a message by their names on the wire. */
export type Fields = Readonly<Record<string, Field<unknown>>>

type Values<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> }

type OptionalKey<F extends Fields> = {
  [K in keyof F]: undefined extends ReturnType<F[K]> ? K : never
}[keyof F]

/**
 * The message that `F` declares. Each step maps the keys of `F` itself, so that editors show the
 * comments of its fields.
 */
export type Message<F extends Fields> = Flat<
  Omit<Values<F>, OptionalKey<F>> & Partial<Pick<Values<F>, OptionalKey<F>>>
>

/** An intersection of object types as one object type. The condition makes editors show its members. */
type Flat<T> = T extends infer U ? { readonly [K in keyof U]: U[K] } : never

/**
 * Reads the fields of a message, in the order of their declaration.
 * @throws AgentError the error of the first wrong field
 */
export function readFields<F extends Fields>(fields: F, body: JsonObject): Message<F> {
  const values = Object.entries(fields).map(([key, read]) => [key, read(body, key)] as const)
  // The compiler cannot follow the type of each key through Object.fromEntries.
  return Object.fromEntries(values) as Message<F>
}

/** Longest account name, issuer, scope or audience list, in characters. A sanity bound of ours. */
const MAX_NAME_CHARS = 16_384

/** A value as text. */
export function text(body: JsonObject, key: string): string | undefined {
  const value = body[key]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? '1' : '0'
  return typeof value === 'number' ? String(value) : JSON.stringify(value)
}

/**
 * A text that is shown to people or sent to a provider.
 * @throws AgentError `bad-request` if it contains control characters or is absurdly long
 */
export function name(body: JsonObject, key: string): string | undefined {
  const value = text(body, key)
  if (value === undefined) return undefined
  if (/\p{Cc}/u.test(value)) throw badRequest(`${key} contains control characters`)
  if (value.length > MAX_NAME_CHARS) {
    throw badRequest(`${key} is longer than ${MAX_NAME_CHARS} characters`)
  }
  return value
}

/** A text that is only shown to people, made fit for one line on a terminal. */
export function hint(body: JsonObject, key: string): string | undefined {
  return text(body, key)
    ?.replaceAll(/\p{Cc}/gu, ' ')
    .slice(0, 256)
}

/**
 * A path that means the same file to client and agent, whatever their working directories are.
 * @throws AgentError `bad-request` if it is relative or not in its shortest form
 */
export function absolutePath(body: JsonObject, key: string): string | undefined {
  const path = name(body, key)
  if (path !== undefined && (!isAbsolute(path) || resolve(path) !== path)) {
    throw badRequest(`${key} must be absolute, without . or .. in it`)
  }
  return path
}

/** A whole number. A text that is not a number counts as 0, as for the C peer. */
export function whole(body: JsonObject, key: string): number | undefined {
  const value = text(body, key)
  if (value === undefined) return undefined
  const number = Math.trunc(Number.parseFloat(value))
  return Number.isSafeInteger(number) ? number : limitOf(number)
}

function limitOf(number: number): number {
  if (Number.isNaN(number)) return 0
  return number > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER
}

/**
 * A number of seconds.
 * @throws AgentError `bad-request` if it is negative: 0 would mean "for ever"
 */
export function seconds(body: JsonObject, key: string): number | undefined {
  const value = whole(body, key)
  if (value !== undefined && value < 0) throw badRequest(`${key} is negative`)
  return value
}

/** A yes or no. */
export function flag(body: JsonObject, key: string): boolean | undefined {
  const value = text(body, key)
  return value === undefined ? undefined : value === 'true' || whole(body, key) !== 0
}

/**
 * An object, or the JSON text of one.
 * @throws AgentError `bad-request` if it is neither
 */
export function object(body: JsonObject, key: string): JsonObject | undefined {
  const value = decoded(body, key)
  if (value === undefined || isJsonObject(value)) return value
  throw badRequest(`${key} is not a json object`)
}

/** The URL of a discovery document. The oidc-gen of 5.x writes `(null)` if it has none. */
export function configEndpoint(body: JsonObject, key: string): string | undefined {
  const endpoint = name(body, key)
  return endpoint === '(null)' ? undefined : endpoint
}

/**
 * Base64 of a known number of bytes, as of a part of a file key.
 * @throws AgentError `bad-request` if it is anything else
 */
export function keyBytes(length: number): Field<string> {
  return (body, key) => {
    const value = text(body, key) ?? ''
    if (decodeBase64(value)?.length === length) return value
    throw badRequest(`file_key: ${key} must be ${length} bytes in base64`)
  }
}

/** A list of words: an array, the JSON text of one, or a single word. An empty list counts as absent. */
export function wordList(body: JsonObject, key: string): readonly string[] | undefined {
  const value = text(body, key)
  if (value === undefined) return undefined
  const list = value.startsWith('[') ? decoded(body, key) : value
  const words = [list].flat().filter((word) => typeof word === 'string')
  return words.length === 0 ? undefined : words
}

/** A value that may have come as JSON text. */
function decoded(body: JsonObject, key: string): JsonValue | undefined {
  const value = body[key]
  if (value === undefined || value === null || value === '') return undefined
  return typeof value === 'string' ? parseTolerantJson(value) : value
}

/** A field that must be present. `message`: the C peer's text, if it has one of its own for this field. */
export function required<V>(field: Field<V | undefined>, message?: string): Field<V> {
  return (body, key) => {
    const value = field(body, key)
    if (value !== undefined) return value
    if (message !== undefined) throw new AgentError('bad-request', message)
    throw badRequest(`Required field '${key}' not present.`)
  }
}

/** A field that must be present if the field `other` is absent. */
export function requiredWithout<V>(
  other: string,
  field: Field<V>,
  error: () => AgentError,
): Field<V> {
  return (body, key) => {
    const value = field(body, key)
    if (value === undefined && text(body, other) === undefined) throw error()
    return value
  }
}

/** A field with the value that counts if it is absent. */
export function withDefault<V>(field: Field<V | undefined>, absent: V): Field<V> {
  return (body, key) => field(body, key) ?? absent
}

/** A field that some clients send by the name `other`, which counts if the field itself is absent. */
export function withAlias<V>(field: Field<V>, other: string): Field<V> {
  return (body, key) => field(body, key) ?? field(body, other)
}

/** An object with fields of its own. */
export function nested<F extends Fields>(fields: F): Field<Message<F> | undefined> {
  return (body, key) => {
    const value = object(body, key)
    return value === undefined ? undefined : readFields(fields, value)
  }
}

/** The error of a request that is wrong in itself. */
export function badRequest(text: string): AgentError {
  return new AgentError('bad-request', `Bad Request: ${text}`)
}
