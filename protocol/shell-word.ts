/** What a POSIX shell takes as it stands, in any place: no blank, no glob, no `~`, no quote. */
const PLAIN = /^[A-Za-z0-9_./:@%+,=-]+$/

/** `value` as one word for a POSIX shell, quoted only where it has to be. */
export function shellQuote(value: string): string {
  return PLAIN.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`
}
