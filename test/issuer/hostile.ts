/**
 * What a provider could say to harm whoever prints its words or feeds them to a shell: commands in
 * every way shells take them, quotes, terminal escapes, line ends, NUL, a turn of the writing
 * direction.
 */
export const HOSTILE =
  '`touch pwned`$(touch pwned);touch pwned|touch pwned&\'"\\ <b>\u001b]0;pwned\u0007\u001b[2J\u009b31m\r\nError: forged\u0000\u2028\u202eforged'

/** The value with {@link HOSTILE} at the end of every string in it, but for the named members. */
export function hostile(value: unknown, except: readonly string[] = []): unknown {
  if (typeof value === 'string') return value + HOSTILE
  if (Array.isArray(value)) return value.map((one) => hostile(one, except))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      except.includes(name) ? member : hostile(member, except),
    ]),
  )
}
