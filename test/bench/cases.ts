import { readFileSync } from 'node:fs'
import { libraryClient } from '../support/c-peer.ts'
import { outputOf, runCommand } from '../support/command.ts'
import { seedAccount } from '../support/seed-account.ts'
import type { WlcgProvider } from '../support/wlcg-provider.ts'
import { type Contender, whyNoLibrary } from './contender.ts'
import { median, medianOf, mediansOf, milliseconds, ratio, timed } from './measure.ts'

/** What is measured against: the provider both sides ask, and one that answers only after seconds. */
export interface Setting {
  readonly provider: WlcgProvider
  readonly slowProvider: WlcgProvider
  readonly ours: Contender
  readonly theirs: Contender | undefined
}

export interface Row {
  readonly what: string
  readonly theirs: string
  readonly ours: string
  readonly compared: string
}

const CLIENTS = 50
const ROUNDS = 15
const NO_PEER = 'not installed'

/** The same audience and scope, asked again and again: with a provider request each, or none. */
export async function askedAgain({ provider, ours, theirs }: Setting): Promise<Row> {
  const args = ['--aud=ce.example.org:9619', '-s', 'compute.read', 'wlcg']
  const ask = (side: Contender) => () => side.run('oidc-token', ...args)
  await ask(ours)()
  const before = requests(provider)
  const own = await mediansOf(ROUNDS, { token: ask(ours), bare: bareNode(ours) })
  const asked = requests(provider) - before
  const other = theirs === undefined ? undefined : await medianOf(ROUNDS, ask(theirs))
  return {
    what: 'same audience and scope asked again, each by `oidc-token`',
    theirs: shown(other),
    ours: `${milliseconds(own.token)}, ${asked} provider requests in ${ROUNDS} calls`,
    compared: `bare node + ${milliseconds(own.token - own.bare)}`,
  }
}

/** Fifty processes at once, each with an audience of its own. */
export async function processesAtOnce({ ours, theirs }: Setting): Promise<Row> {
  const burst = (side: Contender, tag: string) => () =>
    all((index) => side.run('oidc-token', `--aud=${tag}${index}`, 'wlcg'))
  const own = await timed(burst(ours, 'process'))
  const other = theirs === undefined ? undefined : await timed(burst(theirs, 'process'))
  return compared(`${CLIENTS} processes at once, ${CLIENTS} audiences`, other, own)
}

/** The same from one process, over the socket. */
export async function socketsAtOnce({ ours, theirs }: Setting): Promise<Row> {
  const burst = (side: Contender) => () => all((index) => side.ask('wlcg', `socket${index}`))
  const own = await timed(burst(ours))
  const other = theirs === undefined ? undefined : await timed(burst(theirs))
  return compared(`the same from one process over the socket`, other, own)
}

/** A cached token, while another account's provider keeps the agent waiting. */
export async function besideSlowProvider({ slowProvider, ours, theirs }: Setting): Promise<Row> {
  const own = await whileWaiting(ours, slowProvider)
  const other = theirs === undefined ? undefined : await whileWaiting(theirs, slowProvider)
  return {
    what: `cached token while another account's provider takes ${slowProvider.settings.latencyMs / 1000} s`,
    theirs: shown(other?.waiting),
    ours: milliseconds(own.waiting),
    compared: `${milliseconds(own.waiting - own.quiet)} more than without it`,
  }
}

/** Fifty clients that want one token. */
export async function oneTokenForAll({ provider, ours, theirs }: Setting): Promise<Row> {
  const count = async (side: Contender): Promise<number> => {
    const before = requests(provider)
    await all(() => side.ask('wlcg', 'shared'))
    return requests(provider) - before
  }
  const own = await count(ours)
  const other = theirs === undefined ? NO_PEER : `${await count(theirs)} provider requests`
  return {
    what: `${CLIENTS} clients at once, one audience`,
    theirs: other,
    ours: `${own} provider request${own === 1 ? '' : 's'}`,
    compared: '',
  }
}

/** What a command costs that has nothing to wait for. */
export async function cachedCommand({ ours, theirs }: Setting): Promise<Row> {
  const token = (side: Contender) => () => side.run('oidc-token', 'wlcg')
  await token(ours)()
  const own = await mediansOf(2 * ROUNDS, { token: token(ours), bare: bareNode(ours) })
  const other = theirs === undefined ? undefined : await medianOf(ROUNDS, token(theirs))
  return {
    what: '`oidc-token`, cached token',
    theirs: shown(other),
    ours: milliseconds(own.token),
    compared: `${ratio(own.token, own.bare)} bare node (${milliseconds(own.bare)})`,
  }
}

/** An unmodified client of the C library in a loop; it always seals its messages. */
export async function libraryLoop({ ours, theirs }: Setting): Promise<Row> {
  const what = 'liboidc-agent client in a loop, cached, sealed'
  if (whyNoLibrary !== undefined) {
    return { what, theirs: whyNoLibrary, ours: 'not measured', compared: '' }
  }
  const times = 4000
  const client = await libraryClient(ours.sandbox)
  const loop = (side: Contender) => async () =>
    outputOf(await side.sandbox.run(client, ['wlcg', '', String(times)]))
  // Run once before, for the compilers of both sides.
  await loop(ours)()
  const own = await medianOf(5, loop(ours))
  const other = theirs === undefined ? undefined : await medianOf(5, loop(theirs))
  const rate = (time: number): string => `${Math.round((times / time) * 1000)} requests/s`
  return {
    what,
    theirs: other === undefined ? NO_PEER : rate(other),
    ours: rate(own),
    compared: other === undefined ? '' : `${ratio(other, own)} C`,
  }
}

/** From the password to the loaded account; the provider is asked once for it. */
export async function loading({ ours, theirs }: Setting): Promise<Row> {
  const load = async (side: Contender): Promise<number> => {
    const times: number[] = []
    for (let round = 0; round < 5; round += 1) {
      await side.run('oidc-add', '-r', 'wlcg')
      times.push(await timed(() => side.run('oidc-add', '--pw-env', 'wlcg')))
    }
    return times.sort((a, b) => a - b)[2] ?? Number.NaN
  }
  const own = await load(ours)
  const other = theirs === undefined ? undefined : await load(theirs)
  return compared('`oidc-add`, password to loaded', other, own)
}

/** Resident memory, idle, with ten accounts; and whether Argon2id left its memory behind. */
export async function memory({ provider, ours }: Setting): Promise<Row> {
  for (let index = 2; index < 10; index += 1) {
    await seedAccount(ours.sandbox, provider, `account${index}`)
    await ours.run('oidc-add', '--pw-env', `account${index}`)
  }
  const before = residentMegabytes(ours)
  await ours.run('oidc-add', '-r', 'account9')
  await ours.run('oidc-add', '--pw-env', 'account9')
  return {
    what: 'agent memory (VmRSS), idle with 10 accounts',
    theirs: '',
    ours: `${before.toFixed(0)} MB`,
    compared: `${(residentMegabytes(ours) - before).toFixed(1)} MB more after another \`oidc-add\``,
  }
}

/** Resident memory once more, when the bursts are over. */
export function memoryAfterwards({ ours }: Setting): Promise<Row> {
  const now = `${residentMegabytes(ours).toFixed(0)} MB`
  return Promise.resolve({
    what: 'the same after all of this table',
    theirs: '',
    ours: now,
    compared: '',
  })
}

async function whileWaiting(
  side: Contender,
  slow: WlcgProvider,
): Promise<{ quiet: number; waiting: number }> {
  const cached = (): Promise<unknown> => side.ask('wlcg')
  await cached()
  const quiet = await medianOf(ROUNDS, cached)
  const times: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const before = requests(slow)
    const held = side.ask('slow', `another${round}`)
    await arrival(slow, before)
    // One call a round: of several, only the first would meet an agent that waits.
    times.push(await timed(cached))
    await held
  }
  return { quiet, waiting: median(times) }
}

/** Resolves once the slow provider has the request that it keeps waiting. */
async function arrival(provider: WlcgProvider, before: number): Promise<void> {
  while (requests(provider) === before) await new Promise((resolve) => setImmediate(resolve))
}

function requests(provider: WlcgProvider): number {
  return provider.counters.tokenRequests['refresh_token'] ?? 0
}

function bareNode(side: Contender): () => Promise<unknown> {
  const { env } = side.sandbox
  return () => runCommand(process.execPath, ['-e', '0'], { env, cwd: side.sandbox.home })
}

function all(work: (index: number) => Promise<unknown>): Promise<unknown> {
  return Promise.all(Array.from({ length: CLIENTS }, (_, index) => work(index)))
}

function compared(what: string, theirs: number | undefined, ours: number): Row {
  return {
    what,
    theirs: shown(theirs),
    ours: milliseconds(ours),
    compared: theirs === undefined ? '' : `${ratio(ours, theirs)} C`,
  }
}

function shown(time: number | undefined): string {
  return time === undefined ? NO_PEER : milliseconds(time)
}

function residentMegabytes({ agent }: Contender): number {
  const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8')
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(status)?.[1]
  return Number(kilobytes) / 1024
}
