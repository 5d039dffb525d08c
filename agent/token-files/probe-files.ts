import { randomBytes, randomInt } from 'node:crypto'
import { constants, open, rm, unlink } from 'node:fs/promises'
import { createPrivate } from '../../protocol/storage/files.ts'
import { AgentError, unwritable } from '../../protocol/wire/errors.ts'
import { type DirectoryHandle, temporaryName, withDirectory } from './directory-handle.ts'

/** How long a client may take to read a probe file and to ask for its token file. */
const PROBE_LIFE_MS = 10_000
/** Most probe files at once. A sanity bound: each exists for a moment. */
const MAX_PROBES = 100
/** 32 random bytes in hexadecimal: nobody guesses them, and no other file looks like that. */
const PROBE_BYTES = 32

interface Probe {
  readonly path: string
  readonly name: string
  readonly timer: NodeJS.Timeout
}

/**
 * Proofs that a client sees the directory of a token file as this agent does: over a forwarded or mounted
 * socket the same path may be another file. The agent makes a file of random content beside the token file;
 * a client that sends back the content has read it, so a token written there is where the client looks.
 */
export class ProbeFiles {
  readonly #uid: number
  readonly #probes = new Map<string, Probe>()

  constructor(uid: number) {
    this.#uid = uid
  }

  /**
   * Makes the probe file for a token file `path`. Returns its name in the directory of `path`.
   * @throws AgentError `file-unwritable` if no token file could be written there, `agent-busy`
   */
  async make(path: string): Promise<string> {
    if (this.#probes.size >= MAX_PROBES) {
      throw new AgentError(
        'agent-busy',
        `${MAX_PROBES} clients are asking for token files already`,
        {
          hint: 'Try again in a few seconds.',
        },
      )
    }
    const content = randomBytes(PROBE_BYTES).toString('hex')
    // The name of a temporary file: if the agent is killed, the next check of the token file removes it.
    const name = temporaryName(path, process.pid, randomInt(2 ** 47))
    const timer = setTimeout(() => void this.#expire(content), PROBE_LIFE_MS).unref()
    this.#probes.set(content, { path, name, timer })
    try {
      await withDirectory(path, this.#uid, (directory) => writeNew(directory, name, content))
    } catch (error) {
      this.#take(content)
      throw error
    }
    return name
  }

  /**
   * Ends a probe with the content that the client has read.
   * @throws AgentError `file-unwritable` if it is not the content of a probe for this path, or the directory
   *   is another one by now
   */
  async redeem(path: string, content: string | undefined): Promise<void> {
    const probe = content === undefined ? undefined : this.#probes.get(content)
    if (content === undefined || probe?.path !== path) throw notProved(path)
    this.#take(content)
    await withDirectory(path, this.#uid, async (directory) => {
      if ((await contentOf(directory, probe.name)) !== content) throw notProved(path)
      await unlink(directory.at(probe.name))
    })
  }

  /** Removes the probe files that are left. */
  async close(): Promise<void> {
    await Promise.all([...this.#probes.keys()].map((content) => this.#expire(content)))
  }

  #take(content: string): Probe | undefined {
    const probe = this.#probes.get(content)
    clearTimeout(probe?.timer)
    this.#probes.delete(content)
    return probe
  }

  async #expire(content: string): Promise<void> {
    const probe = this.#take(content)
    if (probe === undefined) return
    await withDirectory(probe.path, this.#uid, (directory) =>
      rm(directory.at(probe.name), { force: true }),
    ).catch(() => undefined)
  }
}

async function writeNew(directory: DirectoryHandle, name: string, content: string): Promise<void> {
  try {
    const file = await createPrivate(directory.at(name))
    try {
      await file.writeFile(content)
    } finally {
      await file.close()
    }
  } catch (error) {
    await rm(directory.at(name), { force: true }).catch(() => undefined)
    throw unwritable(directory.path, error)
  }
}

async function contentOf(directory: DirectoryHandle, name: string): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(directory.at(name), flags).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(2 * PROBE_BYTES + 1) })
    return buffer.toString('latin1', 0, bytesRead)
  } finally {
    await file.close()
  }
}

function notProved(path: string): AgentError {
  return new AgentError(
    'file-unwritable',
    `no token is written to ${path}: the client did not show that this is its file system`,
    { hint: 'Ask by oidc-token --file, which does (token_file_probe).' },
  )
}
