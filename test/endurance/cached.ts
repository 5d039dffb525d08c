import { median } from '../bench/measure.ts'
import { tokenFrom } from '../support/seed-account.ts'
import type { Attack } from './attack.ts'
import { Logins } from './logins.ts'
import { figuresOf, megabytes } from './process-figures.ts'

const AUDIENCES = 50
const ASKED = 500
const AT_ONCE = 16
/** Below this there is no time for a thousand accounts. */
const FULL_SECONDS = 60

/** What a cached token costs beside many others. */
export const cached: Attack = {
  name: `accounts × ${AUDIENCES} audiences`,
  weight: 2,
  onlyOurs: true,
  run: async ({ contender, seconds }) => {
    const sizes = seconds >= FULL_SECONDS ? [10, 100, 1000] : [10]
    const results: string[] = []
    for (const size of sizes) {
      // Without rotation, so that the tokens of one account are fetched at the same time.
      const logins = await Logins.open({ mode: 'conforming' })
      try {
        const agent = await contender.start(logins.sandbox)
        const names = Array.from({ length: size }, (_, index) => `login${index}`)
        for (const name of names) {
          await logins.write(name)
          await contender.load(logins.sandbox, agent, name)
        }
        const wanted = names.flatMap((account) =>
          Array.from({ length: AUDIENCES }, (_, index) => ({ account, audience: `se${index}` })),
        )
        const left = wanted.values()
        const fetchAll = async (): Promise<void> => {
          for (const one of left) await tokenFrom(agent, one)
        }
        await Promise.all(Array.from({ length: AT_ONCE }, fetchAll))
        const times: number[] = []
        for (let index = 0; index < ASKED; index += 1) {
          const start = performance.now()
          await tokenFrom(agent, wanted[(index * 7919) % wanted.length])
          times.push(performance.now() - start)
        }
        const { rss } = figuresOf(agent.pid)
        results.push(`${size}: ${median(times).toFixed(2)} ms, ${megabytes(rss)}`)
      } finally {
        await logins.close()
      }
    }
    return {
      did: `${sizes.join(', ')} accounts, a cached token ${ASKED} times`,
      result: results.join('; '),
      ok: true,
    }
  },
}
