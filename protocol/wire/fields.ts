import { AgentError } from './errors.ts'
import { isJsonObject, parseTolerantJson } from './json.ts'
import type { JsonObject, JsonValue } from './messages.ts'

/**
 * How the values of a request are read (protocol.md §2.1): the C peer makes a string of each, so
 * 60 and "60" are the same, true is 1, and null and the empty string are as if not there.
 */

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
 * @throws AgentError `bad-request` for control characters, or where it is absurdly long
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

/** A text only shown to people, made fit for a line on a terminal. */
export function hint(body: JsonObject, key: string): string | undefined {
  return text(body, key)
    ?.replaceAll(/\p{Cc}/gu, ' ')
    .slice(0, 256)
}

/** A whole number; what is none counts as 0, as for the C peer. */
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
 * @throws AgentError `bad-request` where it is negative: 0 would mean "for ever"
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
 * @throws AgentError `bad-request` where it is neither
 */
export function object(body: JsonObject, key: string): JsonObject | undefined {
  const value = decoded(body, key)
  if (value === undefined || isJsonObject(value)) return value
  throw badRequest(`${key} is not a json object`)
}

/** A list of words: an array, the JSON text of one, or a single word. */
export function wordList(body: JsonObject, key: string): readonly string[] | undefined {
  const value = text(body, key)
  if (value === undefined) return undefined
  const list = value.startsWith('[') ? decoded(body, key) : value
  return [list].flat().filter((word) => typeof word === 'string')
}

/** A value that may have come as JSON text. */
function decoded(body: JsonObject, key: string): JsonValue | undefined {
  const value = body[key]
  if (value === undefined || value === null || value === '') return undefined
  return typeof value === 'string' ? parseTolerantJson(value) : value
}

/** The error of a request that is wrong in itself. */
export function badRequest(text: string): AgentError {
  return new AgentError('bad-request', `Bad Request: ${text}`)
}
