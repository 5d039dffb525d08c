import type { JsonObject, JsonValue } from '../protocol/messages.ts'

/** An account's JSON as the C tools print it (cJSON): tabs, one line a member, arrays in one line. */
export function printedAccount(fields: JsonObject): string {
  return printed(fields, 1)
}

function printed(value: JsonValue, depth: number): string {
  if (Array.isArray(value)) {
    return `[${value.map((item: JsonValue) => printed(item, depth + 1)).join(', ')}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const tabs = '\t'.repeat(depth)
  const members = Object.entries(value).map(
    ([key, member]) => `${tabs}${JSON.stringify(key)}:\t${printed(member, depth + 1)}`,
  )
  const body = members.length === 0 ? '' : `${members.join(',\n')}\n`
  return `{\n${body}${'\t'.repeat(depth - 1)}}`
}
