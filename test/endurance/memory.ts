import { callAgent } from '../../protocol/client/call.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { HttpProbe } from '../issuer/http-probe.ts'
import { type Issuer, startIssuer } from '../issuer/start-issuer.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import { tokenFrom } from '../support/seed-account.ts'
import type { Attack } from './attack.ts'
import { figuresOf, megabytes } from './process-figures.ts'

/** Resident memory of the built agent (VmRSS), in megabytes of 2²⁰ bytes. */
interface MemoryFigures {
  /** With ten accounts, of each of which a token was requested. */
  readonly idle: number
  /** The same agent after requests for tokens that it has cached. */
  readonly afterRequests: number
  /** Another agent, whose many accounts have a token for each of many audiences. */
  readonly full: number
}

interface MemoryWork {
  /** Requests for cached tokens. */
  readonly requests: number
  /** Accounts of the other agent, and audiences of each. */
  readonly accounts: number
  readonly audiences: number
}

/** The work for which the bounds are, and the seconds it takes on two free cores. */
const fullWork: MemoryWork = { requests: 50_000, accounts: 1000, audiences: 50 }
const FULL_SECONDS = 120
/** Most memory, megabytes. */
const bounds: MemoryFigures = { idle: 55, afterRequests: 80, full: 200 }

/** Requests at a time, as of a busy submit node. */
const AT_ONCE = 8
const IDLE_ACCOUNTS = 10

/** What the agent takes for its work: all of it if there is time, else the same bounds for less. */
export const memory: Attack = {
  name: 'memory',
  weight: 4,
  onlyOurs: true,
  run: async ({ seconds }) => {
    const part = Math.min(1, seconds / FULL_SECONDS)
    const requests = Math.ceil(fullWork.requests * part)
    const accounts = Math.ceil(fullWork.accounts * part)
    const { audiences } = fullWork
    const { idle, afterRequests, full } = await measureMemory({ requests, accounts, audiences })
    return {
      did: `10 accounts, ${requests} requests; ${accounts} accounts × ${audiences} tokens`,
      result: `${megabytes(idle)}, ${megabytes(afterRequests)}; ${megabytes(full)}`,
      bound: `${bounds.idle}, ${bounds.afterRequests}; ${bounds.full} MB`,
      ok: idle <= bounds.idle && afterRequests <= bounds.afterRequests && full <= bounds.full,
    }
  },
}

/** Measures the memory of the built agent. Linux only. */
async function measureMemory(work: MemoryWork = fullWork): Promise<MemoryFigures> {
  const issuer = await startIssuer({ settings: { rotation: 'no token comes back' } })
  try {
    const config = await accountAt(issuer)
    const small = await withAgent(config, IDLE_ACCOUNTS, async (agent) => {
      await repeat(IDLE_ACCOUNTS, (index) => tokenFrom(agent, { account: `account${index}` }))
      const idle = figuresOf(agent.pid).rss
      await repeat(work.requests, (index) =>
        tokenFrom(agent, { account: `account${index % IDLE_ACCOUNTS}` }),
      )
      return { idle, afterRequests: figuresOf(agent.pid).rss }
    })
    const full = await withAgent(config, work.accounts, async (agent) => {
      await repeat(work.accounts * work.audiences, (index) =>
        tokenFrom(agent, {
          account: `account${index % work.accounts}`,
          audience: `audience${Math.floor(index / work.accounts)}`,
        }),
      )
      return figuresOf(agent.pid).rss
    })
    return { ...small, full }
  } finally {
    await issuer.close()
  }
}

/** The account JSON of a new login, without its name. All accounts may have it, as its token does not rotate. */
async function accountAt(issuer: Issuer): Promise<JsonObject> {
  const probe = new HttpProbe(issuer)
  try {
    const client = issuer.addClient({ authMethod: 'client_secret_post' })
    const scope = 'openid offline_access'
    const { refresh_token } = await probe.login(client, { scope })
    return {
      issuer_url: issuer.issuer,
      cert_path: issuer.caPath,
      client_id: client.id,
      client_secret: client.secret ?? '',
      refresh_token: String(refresh_token),
      scope,
      auth_scope: scope,
    }
  } finally {
    await probe.close()
  }
}

async function withAgent<T>(
  config: JsonObject,
  accounts: number,
  work: (agent: SandboxAgent) => Promise<T>,
): Promise<T> {
  const sandbox = await Sandbox.create()
  try {
    const agent = await sandbox.startAgent()
    const address = { kind: 'unix', path: agent.socketPath } as const
    await repeat(accounts, (index) =>
      callAgent(address, {
        request: 'add',
        config: { ...config, name: `account${index}` },
        plain_add: true,
      }),
    )
    return await work(agent)
  } finally {
    await sandbox.close()
  }
}

/** Does `work` for each index, {@link AT_ONCE} at a time. */
async function repeat(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next
      next += 1
      await work(index)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
