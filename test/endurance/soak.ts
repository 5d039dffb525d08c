import { callAgentSealed } from '../../protocol/client/call-sealed.ts'
import { tokenFrom } from '../support/seed-account.ts'
import { type Attack, numbersFrom } from './attack.ts'
import { Logins } from './logins.ts'
import { figuresOf, logBytes, megabytes } from './process-figures.ts'

/** In the full form; in less time, as many as fit. */
const MOST = 100_000
const CLIENTS = 8
/** Requests before the first figures are read: compilers and pools have their memory then. */
const WARM_UP = 5000
/** What the heap of a collector that has had no reason to run may hold more. */
const MORE_MB = 30
/** The agent rotates its log at 1 MB and keeps one old file. */
const LOG_BYTES = 2_200_000

/** Many requests for one agent, some new, some sealed: nothing may pile up. */
export const soak: Attack = {
  name: 'soak',
  weight: 4,
  run: async ({ contender, seconds, seed }) => {
    const random = numbersFrom(seed)
    const logins = await Logins.open()
    try {
      await logins.write('login0')
      const { sandbox } = logins
      const agent = await contender.start(sandbox)
      await contender.load(sandbox, agent, 'login0')
      const address = { kind: 'unix', path: agent.socketPath } as const
      const one = async (): Promise<unknown> => {
        const kind = random()
        if (kind < 0.01) return tokenFrom(agent, { account: 'login0', force: true })
        const request = { request: 'access_token', account: 'login0' } as const
        if (kind < 0.1) return callAgentSealed(address, request)
        return tokenFrom(agent, { account: 'login0', audience: `a${Math.floor(kind * 20)}` })
      }
      let sent = 0
      let failed = 0
      const send = async (most: number, until: number): Promise<void> => {
        const loop = async (): Promise<void> => {
          while (sent < most && performance.now() < until) {
            sent += 1
            await one().catch(() => {
              failed += 1
            })
          }
        }
        await Promise.all(Array.from({ length: CLIENTS }, loop))
      }
      const until = performance.now() + seconds * 1000
      await send(WARM_UP, until)
      const start = figuresOf(agent.pid)
      await send(MOST, until)
      const end = figuresOf(agent.pid)
      const log = logBytes(sandbox.directory)
      return {
        did: `${sent} requests`,
        result: `${failed} failed; memory ${megabytes(start.rss)} → ${megabytes(end.rss)}; descriptors ${start.descriptors} → ${end.descriptors}; log ${Math.round(log / 1000)} kB`,
        bound: `0 failed; at most ${MORE_MB} MB and ${CLIENTS} descriptors more; log ≤ 2 files of 1 MB`,
        ok:
          failed === 0 &&
          end.rss <= start.rss + MORE_MB &&
          // Connections to the provider are kept open for a while, as many as it was asked at once.
          end.descriptors <= start.descriptors + CLIENTS &&
          log <= LOG_BYTES,
      }
    } finally {
      await logins.close()
    }
  },
}
