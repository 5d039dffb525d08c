import { readFileSync } from 'node:fs'
import { libraryClient } from '../support/c-peer.ts'
import { outputOf, runCommand } from '../support/command.ts'
import { seedAccount } from '../support/seed-account.ts'
import type { WlcgProvider } from '../support/wlcg-provider.ts'
import { type Contender, whyNoLibrary } from './contender.ts'
import { median, medianOf, mediansOf, milliseconds, ratio, timed } from './measure.ts'

/** The contenders, their provider, and a provider whose responses take seconds. */
export interface BenchContext {
  readonly provider: WlcgProvider
  readonly slowProvider: WlcgProvider
  readonly ours: Contender
  readonly theirs: Contender | undefined
}

export interface CaseResult {
  readonly what: string
  readonly theirs: string
  readonly ours: string
  readonly compared: string
}

const CLIENTS = 50
const ROUNDS = 15
const NO_PEER = 'not installed'

/** Repeated requests for the same audience and scope: with or without a provider request each. */
export async function repeatedRequest({
  provider,
  ours,
  theirs,
}: BenchContext): Promise<CaseResult> {
  const args = ['--aud=ce.example.org:9619', '-s', 'compute.read', 'wlcg']
  const ask = (contender: Contender) => () => contender.run('oidc-token', ...args)
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

/** Fifty concurrent processes, each with its own audience. */
export async function processesAtOnce({ ours, theirs }: BenchContext): Promise<CaseResult> {
  const burst = (contender: Contender, tag: string) => () =>
    all((index) => contender.run('oidc-token', `--aud=${tag}${index}`, 'wlcg'))
  const own = await timed(burst(ours, 'process'))
  const other = theirs === undefined ? undefined : await timed(burst(theirs, 'process'))
  return compared(`${CLIENTS} processes at once, ${CLIENTS} audiences`, other, own)
}

/** Fifty concurrent requests of one process, over the socket. */
export async function socketsAtOnce({ ours, theirs }: BenchContext): Promise<CaseResult> {
  const burst = (contender: Contender) => () =>
    all((index) => contender.ask('wlcg', `socket${index}`))
  const own = await timed(burst(ours))
  const other = theirs === undefined ? undefined : await timed(burst(theirs))
  return compared(`the same from one process over the socket`, other, own)
}

/** A cached token, while the agent waits for another account's provider. */
export async function besideSlowProvider({
  slowProvider,
  ours,
  theirs,
}: BenchContext): Promise<CaseResult> {
  const own = await whileWaiting(ours, slowProvider)
  const other = theirs === undefined ? undefined : await whileWaiting(theirs, slowProvider)
  return {
    what: `cached token while another account's provider takes ${slowProvider.settings.latencyMs / 1000} s`,
    theirs: shown(other?.waiting),
    ours: milliseconds(own.waiting),
    compared: `${milliseconds(own.waiting - own.quiet)} more than without it`,
  }
}

/** Fifty concurrent requests for one token. */
export async function oneTokenForAll({
  provider,
  ours,
  theirs,
}: BenchContext): Promise<CaseResult> {
  const count = async (contender: Contender): Promise<number> => {
    const before = requests(provider)
    await all(() => contender.ask('wlcg', 'shared'))
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

/** The duration of a command with a cached token. */
export async function cachedCommand({ ours, theirs }: BenchContext): Promise<CaseResult> {
  const token = (contender: Contender) => () => contender.run('oidc-token', 'wlcg')
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

/** An unmodified client of the C library in a loop; it always encrypts its messages. */
export async function libraryLoop({ ours, theirs }: BenchContext): Promise<CaseResult> {
  const what = 'liboidc-agent client in a loop, cached, sealed'
  if (whyNoLibrary !== undefined) {
    return { what, theirs: whyNoLibrary, ours: 'not measured', compared: '' }
  }
  const times = 4000
  const client = await libraryClient(ours.sandbox)
  const loop = (contender: Contender) => async () =>
    outputOf(await contender.sandbox.run(client, ['wlcg', '', String(times)]))
  // A first run warms up the compilers.
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

/** From the password to the loaded account, with one provider request. */
export async function loading({ ours, theirs }: BenchContext): Promise<CaseResult> {
  const load = async (contender: Contender): Promise<number> => {
    const times: number[] = []
    for (let round = 0; round < 5; round += 1) {
      await contender.run('oidc-add', '-r', 'wlcg')
      times.push(await timed(() => contender.run('oidc-add', '--pw-env', 'wlcg')))
    }
    return times.sort((a, b) => a - b)[2] ?? Number.NaN
  }
  const own = await load(ours)
  const other = theirs === undefined ? undefined : await load(theirs)
  return compared('`oidc-add`, password to loaded', other, own)
}

/** Resident memory, idle, with ten accounts; and whether Argon2id has released its memory. */
export async function memory({ provider, ours }: BenchContext): Promise<CaseResult> {
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

/** Resident memory after all other cases. */
export function memoryAfterwards({ ours }: BenchContext): Promise<CaseResult> {
  const now = `${residentMegabytes(ours).toFixed(0)} MB`
  return Promise.resolve({
    what: 'the same after all of this table',
    theirs: '',
    ours: now,
    compared: '',
  })
}

async function whileWaiting(
  contender: Contender,
  slow: WlcgProvider,
): Promise<{ quiet: number; waiting: number }> {
  const cached = (): Promise<unknown> => contender.ask('wlcg')
  await cached()
  const quiet = await medianOf(ROUNDS, cached)
  const times: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const before = requests(slow)
    const held = contender.ask('slow', `another${round}`)
    await arrival(slow, before)
    // One call a round: only the first of several would find the agent waiting.
    times.push(await timed(cached))
    await held
  }
  return { quiet, waiting: median(times) }
}

/** Resolves when the slow provider has received the request. */
async function arrival(provider: WlcgProvider, before: number): Promise<void> {
  while (requests(provider) === before) await new Promise((resolve) => setImmediate(resolve))
}

function requests(provider: WlcgProvider): number {
  return provider.counters.tokenRequests['refresh_token'] ?? 0
}

function bareNode(contender: Contender): () => Promise<unknown> {
  const { env } = contender.sandbox
  return () => runCommand(process.execPath, ['-e', '0'], { env, cwd: contender.sandbox.home })
}

function all(work: (index: number) => Promise<unknown>): Promise<unknown> {
  return Promise.all(Array.from({ length: CLIENTS }, (_, index) => work(index)))
}

function compared(what: string, theirs: number | undefined, ours: number): CaseResult {
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
