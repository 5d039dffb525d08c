import { setTimeout as pause } from 'node:timers/promises'
import { newKeyPair } from '../../protocol/wire/encryption.ts'
import { encodeBase64 } from '../../protocol/wire/text.ts'
import { isRunning } from '../support/process-table.ts'
import { RawClient } from '../support/raw-client.ts'
import type { SandboxAgent } from '../support/sandbox.ts'
import { tokenFrom } from '../support/seed-account.ts'
import type { Attack, AttackOptions, Outcome } from './attack.ts'
import { Logins } from './logins.ts'
import { figuresOf, megabytes } from './process-figures.ts'

const CONNECTIONS = 2000
const ASKED = 20
/** Far above what one takes: a hang is found on a busy machine too, where 50 ms hold for an idle one. */
const SLOWEST_MS = 5000
/** A message is at most 1 MB, and its text and bytes exist at the same time. */
const MORE_MB = 60
const SEALED_MB = 64

/** Connections without a word. */
export const idle: Attack = {
  name: 'idle connections',
  weight: 1,
  run: (options) => flood(options, `${CONNECTIONS} silent connections`, (agent) => hold(agent, '')),
}

/** Connections whose request never gets whole, byte after byte. */
export const slow: Attack = {
  name: 'slow connections',
  weight: 1,
  run: (options) =>
    flood(options, `${CONNECTIONS} connections with half a request`, (agent) =>
      hold(agent, '{"request":"acc'),
    ),
}

/** One sealed message that never ends. */
export const sealedFlood: Attack = {
  name: 'endless sealed message',
  weight: 1,
  run: (options) =>
    flood(options, `${SEALED_MB} MB without an end`, async (agent) => {
      const client = await RawClient.open(agent.socketPath)
      await client.send(encodeBase64(newKeyPair().publicKey))
      await client.someReply()
      await client.send(`1:${'A'.repeat(32)}:A`)
      const piece = 'A'.repeat(65_536)
      const over = client.reply().then(
        () => true,
        // Reset, since the agent does not read the rest.
        () => true,
      )
      for (let sent = 0; sent < SEALED_MB * 16; sent += 1) {
        // A closed connection takes no more, and no write to it ends.
        if (await Promise.race([over, client.send(piece).then(() => false)])) break
      }
      return [client]
    }),
}

async function hold({ socketPath }: SandboxAgent, bytes: string): Promise<RawClient[]> {
  const held: RawClient[] = []
  for (let index = 0; index < CONNECTIONS; index += 1) {
    // A program that takes no more connections lets them wait, or refuses them.
    const client = await Promise.race([RawClient.open(socketPath), pause(200, undefined)]).catch(
      () => undefined,
    )
    if (client === undefined) break
    if (bytes !== '') await client.send(bytes)
    held.push(client)
  }
  return held
}

async function flood(
  { contender }: AttackOptions,
  did: string,
  begin: (agent: SandboxAgent) => Promise<readonly RawClient[]>,
): Promise<Outcome> {
  const logins = await Logins.open()
  let held: readonly RawClient[] = []
  try {
    await logins.write('login0')
    const agent = await contender.start(logins.sandbox)
    await contender.load(logins.sandbox, agent, 'login0')
    await tokenFrom(agent, { account: 'login0' })
    const before = figuresOf(agent.pid).rss
    held = await begin(agent)
    const times: number[] = []
    for (let index = 0; index < ASKED; index += 1) {
      const start = performance.now()
      const answer = await Promise.race([
        tokenFrom(agent, { account: 'login0' }).catch(() => undefined),
        pause(2 * SLOWEST_MS, undefined),
      ])
      if (answer !== undefined) times.push(performance.now() - start)
    }
    const more = isRunning(agent.pid) ? figuresOf(agent.pid).rss - before : Number.NaN
    const slowest = Math.max(...times, 0)
    return {
      did,
      result: `${times.length} of ${ASKED} tokens, slowest ${slowest.toFixed(0)} ms; ${megabytes(more)} more`,
      bound: `${ASKED} of ${ASKED}, under ${SLOWEST_MS / 1000} s; at most ${MORE_MB} MB more`,
      ok: times.length === ASKED && slowest < SLOWEST_MS && more <= MORE_MB,
    }
  } finally {
    for (const client of held) client.vanish()
    await logins.close()
  }
}
