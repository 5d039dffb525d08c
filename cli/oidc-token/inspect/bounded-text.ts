import { AgentError } from '../../../protocol/errors.ts'

/** More than any token file has; a sanity bound of ours. */
const MAX_BYTES = 65_536

/**
 * All that a stream gives, as text.
 * @throws AgentError `file-malformed` where that is absurdly much
 */
export async function boundedText(chunks: AsyncIterable<Buffer>): Promise<string> {
  const read: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) {
      throw new AgentError('file-malformed', `more than ${MAX_BYTES} bytes: that is no token`)
    }
    read.push(chunk)
  }
  return Buffer.concat(read).toString()
}
