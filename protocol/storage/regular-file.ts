import { constants, type Stats } from 'node:fs'
import { open } from 'node:fs/promises'

/**
 * The text of a file that another program names. Opened without blocking and only if it is a regular file: the
 * open of a FIFO would wait for its writer, and a device may have no end.
 * @param check called with the status of the open file, before it is read
 * @throws Error with the reason, also if the file has more than `maxBytes`; what `check` throws
 */
export async function readRegularFile(
  path: string,
  maxBytes: number,
  check?: (status: Stats) => Promise<void>,
): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const status = await file.stat()
    if (!status.isFile()) throw new Error('it is not a regular file')
    await check?.(status)
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
