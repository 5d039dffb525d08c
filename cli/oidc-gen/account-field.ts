import { isJsonArray } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/messages.ts'

/** A text of an account's JSON; what is empty is as good as absent (protocol.md §3.4). */
export function fieldText(fields: JsonObject, key: string): string | undefined {
  const value = fields[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The texts of a list in an account's JSON. */
export function fieldTexts(fields: JsonObject, key: string): readonly string[] {
  const value = fields[key]
  return isJsonArray(value) ? value.filter((item) => typeof item === 'string') : []
}
