import { Agent } from 'undici'
import { type CaFiles, findCaFiles, readSecureContext } from './ca-bundles.ts'

export interface TrustedAgentsOptions {
  readonly connectMs: number
  readonly systemCaFiles: readonly string[]
  readonly extraCaFiles: readonly string[]
}

interface Entry {
  readonly stamp: string
  readonly agent: Promise<Agent>
}

/** Connection pools, one per CA bundle: a connection is only shared by those who trust the same. */
export class TrustedAgents {
  readonly #options: TrustedAgentsOptions
  readonly #entries = new Map<string, Entry>()

  constructor(options: TrustedAgentsOptions) {
    this.#options = options
  }

  /** The pool for those who trust `certPath`; a new one when the bundle has changed on disk. */
  async get(certPath: string | undefined): Promise<Agent> {
    const { systemCaFiles, extraCaFiles } = this.#options
    const files = await findCaFiles(certPath, systemCaFiles, extraCaFiles)
    const key = certPath ?? ''
    const entry = this.#entries.get(key)
    if (entry?.stamp === files.stamp) return entry.agent
    const agent = this.#open(files)
    this.#entries.set(key, { stamp: files.stamp, agent })
    // What cannot be read now is read again the next time.
    agent.catch(() => this.#entries.delete(key))
    if (entry !== undefined) void end(entry.agent)
    return agent
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    await Promise.all(entries.map(async ({ agent }) => (await agent).destroy()))
  }

  async #open(files: CaFiles): Promise<Agent> {
    const secureContext = await readSecureContext(files)
    return new Agent({
      connect: { secureContext, timeout: this.#options.connectMs },
      // One deadline covers the whole exchange: http-fetch.ts.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }
}

/** Lets the running requests of a replaced pool finish. */
async function end(agent: Promise<Agent>): Promise<void> {
  try {
    await (await agent).close()
  } catch {
    // It never opened; whoever asked for it has been told.
  }
}
