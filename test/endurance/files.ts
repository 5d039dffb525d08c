import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { openAccountFile } from '../../protocol/storage/account-file.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { isRunning } from '../support/process-table.ts'
import { fileKey, tokenFrom } from '../support/seed-account.ts'
import { type Attack, type AttackOptions, numbersFrom, type Outcome } from './attack.ts'
import { Logins } from './logins.ts'

/** Most times a file is damaged, in whatever time. */
const MOST = 5000

/** A loaded account's file, damaged between its refreshes: the agent keeps the login and its temper. */
export const accountFile: Attack = {
  name: 'damaged account file',
  weight: 1,
  onlyOurs: true,
  run: (options) =>
    damageFile(options, 'login0', async (text) => {
      // What cannot be opened is an error that says so, and nothing else.
      await openAccountFile(text, await fileKey()).catch((error: unknown) => {
        if (!(error instanceof AgentError)) throw error
      })
    }),
}

/** `issuer.config`, damaged between refreshes. */
export const issuerConfig: Attack = {
  name: 'damaged issuer.config',
  weight: 1,
  onlyOurs: true,
  run: (options) => damageFile(options, 'issuer.config', () => Promise.resolve()),
}

async function damageFile(
  { contender, seconds, seed }: AttackOptions,
  name: string,
  alsoTry: (text: string) => Promise<void>,
): Promise<Outcome> {
  const logins = await Logins.open()
  const random = numbersFrom(seed)
  let written = 0
  let refused = 0
  try {
    await logins.write('login0')
    const path = join(logins.sandbox.configDirectory, name)
    const known = [{ issuer: logins.issuer.issuer, accounts: ['login0'], legacy_aud_mode: true }]
    if (name === 'issuer.config') await writeFile(path, JSON.stringify(known), { mode: 0o600 })
    const agent = await contender.start(logins.sandbox)
    await contender.load(logins.sandbox, agent, 'login0')
    const good = await readFile(path, 'latin1')
    const until = performance.now() + seconds * 1000
    while (written < MOST && performance.now() < until && isRunning(agent.pid)) {
      const text = damagedText(good, seed + written, random)
      await alsoTry(text)
      await writeFile(path, text, 'latin1')
      written += 1
      await tokenFrom(agent, { account: 'login0', force: true }).catch(() => {
        refused += 1
      })
    }
    if (name === 'issuer.config') await writeFile(path, good)
    // An account file is written anew by the refresh.
    const works = await tokenFrom(agent, { account: 'login0', force: true }).then(
      () => true,
      () => false,
    )
    return {
      did: `${written} times, a refresh after each, seed ${seed}`,
      result: `${isRunning(agent.pid) ? 'alive' : 'dead'}, ${refused} refused, login ${works ? 'kept' : 'lost'}`,
      bound: 'alive, login kept',
      ok: isRunning(agent.pid) && works,
    }
  } finally {
    await logins.close()
  }
}

/** A file cut, with other bytes in it, with its lines in another order, or another file altogether. */
function damagedText(good: string, seed: number, random: () => number): string {
  const at = Math.floor(random() * good.length)
  const kind = random()
  if (kind < 0.2) return good.slice(0, at)
  if (kind < 0.5) {
    const [bytes = ''] = fc.sample(fc.string({ unit: 'binary', maxLength: 20 }), {
      numRuns: 1,
      seed,
    })
    return good.slice(0, at) + bytes + good.slice(at + bytes.length)
  }
  if (kind < 0.6) return good.split('\n').reverse().join('\n')
  if (kind < 0.7) return good.repeat(50)
  const [value] = fc.sample(fc.jsonValue({ maxDepth: 4 }), { numRuns: 1, seed })
  return JSON.stringify(value)
}
