import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/**
 * The text of a file that somebody names. Opened without blocking and only if it is a regular file: the
 * open of a FIFO would wait for its writer, and a device may have no end.
 * @throws Error with the reason, also if the file has more than `maxBytes`
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is not a regular file')
    const chunks: Buffer[] = []
    let bytes = 0
    // One byte more than allowed shows that the file is too large.
    for await (const chunk of file.createReadStream({ end: maxBytes, autoClose: false })) {
      const part = Buffer.from(chunk as Uint8Array)
      bytes += part.length
      chunks.push(part)
    }
    if (bytes > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`)
    return Buffer.concat(chunks).toString()
  } finally {
    await file.close()
  }
}
