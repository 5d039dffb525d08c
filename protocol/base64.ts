/**
 * The bytes of padded standard base64 (RFC 4648 §4), or undefined where the text is anything else.
 * Node's own decoder skips what it does not know and reads the URL alphabet too; here two texts
 * never decode to the same bytes.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Padded standard base64 of `bytes`. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
