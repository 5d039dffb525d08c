import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Runtime } from '../../agent/concurrency.ts'
import { createAgent } from '../../agent/context.ts'
import { dispatch } from '../../agent/dispatch.ts'
import { silentLog } from '../../agent/log.ts'
import { ConnectionTable, startServer } from '../../agent/server.ts'
import { shutDown } from '../../agent/shutdown.ts'
import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { callAgentSealed } from '../../protocol/client/call-sealed.ts'
import { AccountDirectory } from '../../protocol/storage/account-directory.ts'
import { type DeriveKey, deriveKey } from '../../protocol/storage/account-file.ts'
import { type AgentOptions, defaultAgentOptions } from '../../protocol/wire/agent-options.ts'
import { newKeyPair, openSealedChannel } from '../../protocol/wire/encryption.ts'
import { AgentError, errorOfReply } from '../../protocol/wire/errors.ts'
import type { Replies, Request, RequestOf, RequestType } from '../../protocol/wire/messages.ts'
import { loadSodium } from '../../protocol/wire/sodium.ts'
import { ScriptedProvider } from '../support/scripted-provider.ts'

/** An agent that tests talk to, by whatever way. */
export interface AgentUnderTest {
  call<T extends RequestType>(request: RequestOf<T> & { readonly request: T }): Promise<Replies[T]>
  readonly provider: ScriptedProvider
  readonly directory: AccountDirectory
  close(): Promise<void>
}

export type StartAgent = (
  options?: Partial<AgentOptions>,
  derive?: DeriveKey,
  clock?: Clock,
) => Promise<AgentUnderTest>

/** The clocks of a {@link Runtime}; by default those of the system. */
type Clock = Pick<Runtime, 'now' | 'uptime'>

type Call = (address: AgentAddress, request: Request) => Promise<unknown>

/** The compiler cannot pair a generic function's request and reply types through another one. */
function typed(send: (request: Request) => Promise<unknown>): AgentUnderTest['call'] {
  return send as AgentUnderTest['call']
}

/** The agent without a socket: requests go straight to dispatch. */
/** The peer that may ask everything. */
const OWNER = { role: 'owner' } as const

export const inProcess: StartAgent = (options, derive, clock) => {
  const { context, provider, directory, remove } = compose(options, derive, clock)
  const { signal } = new AbortController()
  return Promise.resolve({
    provider,
    directory,
    call: typed(async (request) => {
      const reply = await dispatch(request, OWNER, context, signal)
      if (reply.status === 'failure') throw errorOfReply(reply)
      return reply
    }),
    close: async () => {
      await shutDown(context)
      remove()
    },
  })
}

export const overPlainSocket: StartAgent = overSocket(callAgent)
export const overSealedSocket: StartAgent = overSocket(callAgentSealed)

function overSocket(call: Call): StartAgent {
  return async (options, derive, clock) => {
    const { context, provider, directory, home, remove } = compose(options, derive, clock)
    const sodium = await loadSodium()
    const path = join(home, 'agent.sock')
    const server = await startServer(path, {
      openChannel: (key) => openSealedChannel(sodium, key, newKeyPair()),
      answer: (request, peer, signal) => dispatch(request, peer, context, signal),
      requestTimeoutMs: 10_000,
      peerOf: () => ({ role: 'owner', pid: 0 }),
      connections: new ConnectionTable(512, () => new AgentError('agent-busy', 'full')),
      log: silentLog,
    })
    return {
      provider,
      directory,
      call: typed((request) => call({ kind: 'unix', path }, request)),
      close: async () => {
        await server.close()
        await shutDown(context)
        remove()
      },
    }
  }
}

interface Composed {
  readonly context: ReturnType<typeof createAgent>
  readonly provider: ScriptedProvider
  readonly directory: AccountDirectory
  readonly home: string
  readonly remove: () => void
}

function compose(
  options: Partial<AgentOptions> = {},
  derive: DeriveKey = deriveKey,
  clock: Clock = { now: () => Date.now() },
): Composed {
  const home = mkdtempSync(join(tmpdir(), 'behaviour-'))
  const configDirectory = join(home, 'config')
  mkdirSync(configDirectory, { mode: 0o700 })
  const provider = new ScriptedProvider()
  provider.now = clock.now
  const context = createAgent({
    options: { ...defaultAgentOptions, ...options },
    runtime: { ...clock, random: () => 0.5 },
    log: silentLog,
    provider,
    derive,
    configDirectory: () => Promise.resolve(configDirectory),
    env: { CI_TOKEN: 'platform.token' },
  })
  return {
    context,
    provider,
    directory: new AccountDirectory(configDirectory),
    home,
    remove: () => rmSync(home, { recursive: true }),
  }
}
