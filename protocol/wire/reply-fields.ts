import { AgentError } from './errors.ts'
import { type Field, type Fields, type Message, readFields } from './fields.ts'
import { isJsonObject, type JsonObject, type JsonValue, parseTolerantJson } from './json.ts'

/**
 * The readers for replies. A field that clients need must be present. Any other field counts as
 * absent if it is not of its type, since agents of other versions reply with other fields.
 */

/**
 * A text that must be present.
 * @throws AgentError `message-malformed`
 */
export function text(body: JsonObject, key: string): string {
  const value = optionalText(body, key)
  if (value === undefined) throw malformed(`has no ${key}`)
  return value
}

/** A text; undefined if it is absent or empty. */
export function optionalText(body: JsonObject, key: string): string | undefined {
  const value = body[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A text; empty if it is absent. */
export function anyText(body: JsonObject, key: string): string {
  return optionalText(body, key) ?? ''
}

/**
 * A list of texts that must be present.
 * @throws AgentError `message-malformed`
 */
export function texts(body: JsonObject, key: string): readonly string[] {
  const value = body[key]
  if (!Array.isArray(value)) throw malformed(`has no list ${key}`)
  return value.filter((item) => typeof item === 'string')
}

/**
 * An object that must be present.
 * @throws AgentError `message-malformed`
 */
export function object(body: JsonObject, key: string): JsonObject {
  const value = body[key]
  if (!isJsonObject(value)) throw malformed(`has no object ${key}`)
  return value
}

/** A number, or the text of one. */
export function optionalNumber(body: JsonObject, key: string): number | undefined {
  const value = body[key]
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

/** A number, or the text of one; `absent` if there is no number. */
export function number<A extends number | null>(absent: A): Field<number | A> {
  return (body, key) => optionalNumber(body, key) ?? absent
}

/** Whether the value is true; any other value is not. */
export function isTrue(body: JsonObject, key: string): boolean {
  return body[key] === true
}

/** True, or absent. */
export function trueOrAbsent(body: JsonObject, key: string): true | undefined {
  return body[key] === true || undefined
}

/** One of `values`; the first of them if the value is another. */
export function oneOf<V extends string>(...values: readonly [V, ...V[]]): Field<V> {
  return (body, key) => values.find((value) => value === body[key]) ?? values[0]
}

/** A field that other agents may leave out. */
export function optional<V>(field: Field<V>): Field<V | undefined> {
  return (body, key) => (body[key] === undefined ? undefined : field(body, key))
}

/**
 * An object with fields of its own, which must be present.
 * @throws AgentError `message-malformed`
 */
export function nested<F extends Fields>(fields: F): Field<Message<F>> {
  return (body, key) => readFields(fields, object(body, key))
}

/** A list of objects with fields of their own. Absent in replies of the C agent. */
export function list<F extends Fields>(fields: F): Field<readonly Message<F>[] | undefined> {
  return (body, key) => {
    const value = body[key]
    if (!Array.isArray(value)) return undefined
    return value.filter(isJsonObject).map((item) => readFields(fields, item))
  }
}

/** An object with fields of its own; read as an empty object if it is absent. */
export function nestedOrEmpty<F extends Fields>(fields: F): Field<Message<F>> {
  return (body, key) => {
    const value = body[key]
    return readFields(fields, isJsonObject(value) ? value : {})
  }
}

/**
 * An object whose members, by whatever names, are read by `field`.
 * @throws AgentError `message-malformed` if there is no object
 */
export function record<V>(field: Field<V>): Field<Readonly<Record<string, V>>> {
  return (body, key) => {
    const members = object(body, key)
    const names = Object.keys(members)
    return Object.fromEntries(names.map((name) => [name, field(members, name)]))
  }
}

/** As {@link record}; absent if there is no object. */
export function optionalRecord<V>(field: Field<V>): Field<Readonly<Record<string, V>> | undefined> {
  const whole = record(field)
  return (body, key) => (isJsonObject(body[key]) ? whole(body, key) : undefined)
}

/**
 * The JSON object in the text of a reply.
 * @throws AgentError `message-malformed`
 */
export function bodyOf(text: string): JsonObject {
  let body: JsonValue
  try {
    body = parseTolerantJson(text)
  } catch (cause) {
    throw malformed('is not JSON', cause)
  }
  if (!isJsonObject(body)) throw malformed('is not a JSON object')
  return body
}

/** The error of a reply that cannot be understood; `problem` goes on from "the agent's reply". */
function malformed(problem: string, cause?: unknown): AgentError {
  return new AgentError('message-malformed', `the agent's reply ${problem}`, { cause })
}
