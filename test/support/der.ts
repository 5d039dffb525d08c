/**
 * The elements of DER (ITU-T X.690) in a certificate. They are written here because the packages
 * that make certificates bring the browser's type declarations with them.
 */

/** A SEQUENCE of encoded parts. */
export function sequence(...parts: readonly Buffer[]): Buffer {
  return element(0x30, ...parts)
}

/** A SET of encoded parts. */
export function set(...parts: readonly Buffer[]): Buffer {
  return element(0x31, ...parts)
}

/** A context-specific, constructed `[number]`. */
export function tagged(number: number, ...parts: readonly Buffer[]): Buffer {
  return element(0xa0 | number, ...parts)
}

/** A context-specific, primitive `[number]`. */
export function taggedBytes(number: number, bytes: Buffer): Buffer {
  return element(0x80 | number, bytes)
}

/** A positive INTEGER from its big-endian bytes. */
export function integer(bytes: Buffer): Buffer {
  const first = bytes[0] ?? 0
  return element(0x02, first & 0x80 ? Buffer.from([0]) : Buffer.alloc(0), bytes)
}

export function octetString(...parts: readonly Buffer[]): Buffer {
  return element(0x04, ...parts)
}

/** A BIT STRING without the last `unusedBits` bits. */
export function bitString(bytes: Buffer, unusedBits = 0): Buffer {
  return element(0x03, Buffer.from([unusedBits]), bytes)
}

export function booleanTrue(): Buffer {
  return element(0x01, Buffer.from([0xff]))
}

export function utf8(text: string): Buffer {
  return element(0x0c, Buffer.from(text))
}

/** A UTCTime with a precision of seconds, for years until 2049. */
export function utcTime(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return element(0x17, Buffer.from(`${digits}Z`))
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(arc: number): number[] {
  const digits = [arc & 0x7f]
  for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
  return digits
}

function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(content.length)]), content])
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  return [0x82, length >> 8, length & 0xff]
}
