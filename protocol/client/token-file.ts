import { constants, type FileHandle, open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AgentError, systemCode, systemReason } from '../wire/errors.ts'
import type { TokenFileReply, TokenFileRequest } from '../wire/messages.ts'
import { type AgentAddress, callAgent } from './call.ts'
import type { CallOptions } from './connection.ts'

/** The content of a probe file. */
const probeContent = /^[0-9a-f]{64}$/
const PROBE_BYTES = 64

/**
 * Lets an agent write and renew a token file, if the agent sees the file's directory as this process does
 * (protocol.md §2.9). Over a forwarded or mounted socket it usually does not.
 * @throws AgentError `file-unwritable` if it does not, or cannot write there; what the agent replied
 */
export async function requestTokenFile(
  agent: AgentAddress | undefined,
  request: Omit<TokenFileRequest, 'probe'>,
  options: CallOptions = {},
): Promise<TokenFileReply> {
  const { path } = request
  const { name } = await callAgent(agent, { request: 'token_file_probe', path }, options)
  return await callAgent(agent, { ...request, probe: await readProbe(path, name) }, options)
}

/**
 * The content of the probe file `name` beside `path`. Nothing else is ever read and sent: the agent may be
 * another program than this process believes.
 */
async function readProbe(path: string, name: string): Promise<string> {
  if (
    !name.startsWith(`.${basename(path)}.`) ||
    !/^\.\d+\.\d+\.tmp$/.test(name.slice(basename(path).length + 1))
  ) {
    throw elsewhere(path, 'it names a file that is no probe')
  }
  let file: FileHandle | undefined
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    file = await open(join(dirname(path), name), flags)
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(PROBE_BYTES + 1) })
    const content = buffer.toString('latin1', 0, bytesRead)
    if (probeContent.test(content)) return content
  } catch (error) {
    const reason = systemReason(error)
    throw elsewhere(
      path,
      systemCode(error) === 'ENOENT'
        ? 'a file that it made there is not here'
        : `a file that it made there cannot be read here (${reason})`,
    )
  } finally {
    await file?.close()
  }
  throw elsewhere(path, 'a file that it made there has other content here')
}

function elsewhere(path: string, why: string): AgentError {
  return new AgentError(
    'file-unwritable',
    `the agent cannot keep ${path} for this program: ${why}, so it is on another machine, in another container or of another user`,
    {
      hint: 'To keep a token file on this side: oidc-tokensh. To print the token: oidc-token without --file.',
    },
  )
}
