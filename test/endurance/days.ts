import { inProcess } from '../behaviour/agents.ts'
import type { Attack } from './attack.ts'

const DAYS = 40
/** Seconds between two requests, and the life of a token. */
const STEP = 300
const LIFETIME = 900

/** Forty days of an agent whose tokens live a quarter of an hour and whose login rotates, on a clock that is driven. */
export const days: Attack = {
  name: `${DAYS} simulated days`,
  weight: 1,
  onlyOurs: true,
  run: async () => {
    let passed = 0
    const began = Date.now()
    const clock = { now: () => began + passed * 1000, uptime: () => 1000 + passed }
    const agent = await inProcess({}, undefined, clock)
    const { provider } = agent
    const ask = () => agent.call({ request: 'access_token', account: 'login' })
    provider.rotates = true
    provider.lifetime = LIFETIME
    let asked = 0
    let refused = 0
    let stale = 0
    try {
      const account = { name: 'login', issuer_url: 'https://op.example/', client_id: 'c' }
      await agent.call({ request: 'add', config: { ...account, refresh_token: 'first' } })
      const before = process.memoryUsage().heapUsed
      for (; passed < DAYS * 86_400; passed += STEP) {
        asked += 1
        const token = await ask().catch(() => undefined)
        if (token === undefined) refused += 1
        else if (token.expires_at * 1000 <= clock.now()) stale += 1
      }
      const more = (process.memoryUsage().heapUsed - before) / 2 ** 20
      return {
        did: `${asked} requests, ${provider.refreshes.length} refreshes, tokens of ${LIFETIME / 60} min`,
        result: `${refused} refused, ${stale} expired tokens, ${new Set(provider.refreshes).size === provider.refreshes.length ? 'no' : 'an'} old refresh token used; ${more.toFixed(0)} MB of heap more`,
        bound: '0, 0, none',
        ok:
          refused === 0 &&
          stale === 0 &&
          new Set(provider.refreshes).size === provider.refreshes.length &&
          provider.refreshes.length >= (DAYS * 86_400) / LIFETIME,
      }
    } finally {
      await agent.close()
    }
  },
}
