import { setTimeout as pause } from 'node:timers/promises'
import type { SandboxAgent } from '../support/sandbox.ts'
import { tokenFrom } from '../support/seed-account.ts'
import { type Attack, type AttackOptions, numbersFrom, type Outcome } from './attack.ts'
import { Logins } from './logins.ts'

/** Logins that one agent refreshes at the same time: each end of the agent meets as many refreshes. */
const ACCOUNTS = 8
/** The longest time from the start of the refreshes to the end of the agent, milliseconds. */
const LONGEST_MS = 250

/** SIGTERM while refreshes are under way: the agent awaits and saves their responses. */
export const terminated: Attack = {
  name: 'SIGTERM while refreshing',
  weight: 3,
  run: async (options) => {
    const { ends, met, lost } = await endings(options, 'SIGTERM')
    return {
      did: `${ends} agents ended, ${met} refreshes under way`,
      result: `${lost.answered + lost.unanswered} logins lost`,
      bound: '0',
      ok: lost.answered + lost.unanswered === 0,
    }
  },
}

/**
 * SIGKILL at random moments. From the provider's rotation until the response is saved there is a window
 * of milliseconds that no program can close. Not told apart yet: a login lost in that window, and one whose
 * client had its token already when the next refresh was sent.
 */
export const killed: Attack = {
  name: 'SIGKILL while refreshing without a pause',
  weight: 3,
  run: async (options) => {
    const { ends, met, lost } = await endings(options, 'SIGKILL')
    return {
      did: `${ends} agents killed, ${met} refreshes under way`,
      result: `${lost.answered} lost with no refresh under way, ${lost.unanswered} with one`,
      bound: '0 without; at most half with',
      ok: lost.answered === 0 && lost.unanswered <= met / 2,
    }
  },
}

interface Endings {
  readonly ends: number
  /** Refreshes that were under way at the ends. */
  readonly met: number
  readonly lost: { answered: number; unanswered: number }
}

async function endings(
  { contender, seconds, seed }: AttackOptions,
  signal: NodeJS.Signals,
): Promise<Endings> {
  const random = numbersFrom(seed)
  const logins = await Logins.open()
  const names = Array.from({ length: ACCOUNTS }, (_, index) => `login${index}`)
  const lost = { answered: 0, unanswered: 0 }
  let ends = 0
  let met = 0
  try {
    for (const name of names) await logins.write(name)
    const until = performance.now() + seconds * 1000
    // Five ends meet 40 refreshes, however short the time.
    while (ends < 5 || performance.now() < until) {
      const agent = await contender.start(logins.sandbox)
      for (const name of names) await contender.load(logins.sandbox, agent, name)
      const loops = names.map((name) => refreshUntilEnd(agent, name))
      await pause(random() * LONGEST_MS)
      met += loops.filter((loop) => loop.isUnderWay()).length
      const underWay = new Set(names.filter((_, index) => loops[index]?.isUnderWay()))
      await logins.sandbox.endAgent(agent, signal)
      ends += 1
      await Promise.all(loops.map(({ ended }) => ended))
      const dead = await deadLogins(logins, names, contender)
      for (const name of dead) await logins.write(name)
      const unanswered = dead.filter((name) => underWay.has(name)).length
      lost.unanswered += unanswered
      lost.answered += dead.length - unanswered
    }
    return { ends, met, lost }
  } finally {
    await logins.close()
  }
}

interface RefreshLoop {
  readonly isUnderWay: () => boolean
  readonly ended: Promise<void>
}

/** Asks for one new token after the other, until the agent has gone. */
function refreshUntilEnd(agent: SandboxAgent, account: string): RefreshLoop {
  let underWay = false
  const loop = async (): Promise<void> => {
    for (;;) {
      underWay = true
      await tokenFrom(agent, { account, force: true })
      underWay = false
      // The end meets some before they are sent.
      await pause(1)
    }
  }
  const ended = loop().catch(() => undefined)
  return { isUnderWay: () => underWay, ended }
}

/** The logins with which the next agent gets no token. */
async function deadLogins(
  logins: Logins,
  names: readonly string[],
  contender: AttackOptions['contender'],
): Promise<readonly string[]> {
  const dead: string[] = []
  const agent = await contender.start(logins.sandbox)
  for (const account of names) {
    try {
      await contender.load(logins.sandbox, agent, account)
      await tokenFrom(agent, { account, force: true })
    } catch {
      dead.push(account)
    }
  }
  await logins.sandbox.endAgent(agent)
  return dead
}

/** Two agents with one home, as on two nodes: every refresh of one makes the other's token an old one. */
export const twoAgents: Attack = {
  name: 'two agents on one home',
  weight: 2,
  run: async ({ contender, seconds }): Promise<Outcome> => {
    const logins = await Logins.open()
    const names = ['login0', 'login1', 'login2', 'login3']
    let asked = 0
    let refused = 0
    try {
      for (const name of names) await logins.write(name)
      const agents = [
        await contender.start(logins.sandbox),
        await contender.start(logins.sandbox),
      ] as const
      for (const agent of agents) {
        for (const name of names) await contender.load(logins.sandbox, agent, name)
      }
      const until = performance.now() + seconds * 1000
      const ask = async (agent: SandboxAgent, account: string): Promise<void> => {
        while (performance.now() < until) {
          asked += 1
          await tokenFrom(agent, { account, force: true }).catch(() => {
            refused += 1
          })
        }
      }
      await Promise.all(agents.flatMap((agent) => names.map((name) => ask(agent, name))))
      for (const agent of agents) await logins.sandbox.endAgent(agent)
      const lost = (await deadLogins(logins, names, contender)).length
      return {
        did: `${asked} refreshes of ${names.length} logins`,
        result: `${lost} logins lost, ${refused} requests refused`,
        bound: '0, 0',
        ok: lost === 0 && refused === 0,
      }
    } finally {
      await logins.close()
    }
  },
}
