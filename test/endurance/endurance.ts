import { parseArgs } from 'node:util'
import type { Attack, AttackOptions, Outcome } from './attack.ts'
import { cached } from './cached.ts'
import { type Contender, ours, theirs, whyNoPeer } from './contender.ts'
import { days } from './days.ts'
import { diskFaults } from './disk.ts'
import { accountFile, issuerConfig } from './files.ts'
import { idle, sealedFlood, slow } from './floods.ts'
import { plainFuzz, sealedFuzz } from './fuzz.ts'
import { memory } from './memory.ts'
import { killed, terminated, twoAgents } from './rotation.ts'
import { soak } from './soak.ts'

/** In the order of the table. What measures memory or time of one agent is a row like any other. */
const attacks: readonly Attack[] = [
  terminated,
  killed,
  twoAgents,
  diskFaults,
  plainFuzz,
  sealedFuzz,
  accountFile,
  issuerConfig,
  idle,
  slow,
  sealedFlood,
  days,
  cached,
  memory,
  soak,
]

const DEFAULT_SECONDS = 600

interface Settings {
  readonly seconds: number
  readonly seed: number
  /** Part of the names of the attacks to carry out. */
  readonly only: string
}

/**
 * `npm run endurance -- [--seconds N] [--seed N] [--only WORD]`: attacks the built agent, and beside it
 * the C agent where that is installed, for about so long. Prints one table; status 1 if a bound of ours
 * is broken.
 */
async function endurance({ seconds, seed, only }: Settings): Promise<void> {
  const chosen = attacks.filter(({ name }) => name.includes(only))
  const whole = chosen.reduce((sum, attack) => sum + attack.weight * (peerOf(attack) ? 2 : 1), 0)
  const peer = whyNoPeer === undefined ? 'C agent' : `C agent (${whyNoPeer})`
  print(`seed ${seed}\n`)
  print(`| attack | what was done | ${peer} | this agent | bound | |`)
  print('| --- | --- | --- | --- | --- | --- |')
  let broken = 0
  for (const attack of chosen) {
    const share = { seconds: (seconds * attack.weight) / whole, seed }
    const own = await outcomeOf(attack, { ...share, contender: ours })
    const peer = peerOf(attack)
    const other = peer && (await outcomeOf(attack, { ...share, contender: peer }))
    if (!own.ok) broken += 1
    print(
      `| ${attack.name} | ${own.did} | ${other?.result ?? '–'} | ${own.result} | ${verdict(own)} |`,
    )
  }
  if (broken === 0) return
  print(`\nbounds broken: ${broken}; the same bytes again with --seed ${seed}`)
  process.exitCode = 1
}

function settings(): Settings {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { seconds: text, seed: text, only: text } })
  const seconds = Number(values.seconds ?? DEFAULT_SECONDS)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
  if (!(seconds > 0) || !Number.isInteger(seed)) {
    throw new Error('--seconds and --seed take numbers')
  }
  return { seconds, seed, only: values.only ?? '' }
}

/** The other agent, if the attack is for it too. */
function peerOf({ onlyOurs = false, skipped }: Attack): Contender | undefined {
  return onlyOurs || skipped !== undefined ? undefined : theirs
}

/** The last two cells of a row. */
function verdict({ bound, ok }: Outcome): string {
  if (bound === undefined) return ok ? '– | ' : '– | failed'
  return `${bound} | ${ok ? 'holds' : 'BROKEN'}`
}

async function outcomeOf(attack: Attack, options: AttackOptions): Promise<Outcome> {
  if (attack.skipped !== undefined) {
    return { did: `skipped: ${attack.skipped}`, result: '–', ok: true }
  }
  try {
    return await attack.run(options)
  } catch (error) {
    const reason =
      error instanceof Error
        ? error.message.replaceAll(/\s*\n/g, ' ⏎ ').slice(0, 200).replaceAll('|', '/')
        : String(error)
    return { did: '', result: `the attack failed: ${reason}`, bound: 'it runs', ok: false }
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

await endurance(settings())
