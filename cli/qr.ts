import { renderUnicodeCompact } from 'uqr'

/**
 * `text` as a QR code in block characters, two rows a line. With colours it is light on dark, as
 * scanners expect, whatever the terminal's own colours are.
 */
export function qrText(text: string, colours: boolean): string {
  const code = renderUnicodeCompact(text, { border: 2 })
  if (!colours) return code
  return code
    .split('\n')
    .map((line) => `\u001b[97;40m${line}\u001b[0m`)
    .join('\n')
}
