import { outputOf, runCommand } from '../support/command.ts'
import { seedAccount } from '../support/seed-account.ts'
import { startWlcgProvider } from '../support/wlcg-provider.ts'
import * as cases from './cases.ts'
import { type Contender, ourContender, peerContender, whyNoPeer } from './contender.ts'

/** What a token endpoint across Europe takes. */
const LATENCY_MS = 200
/** Long enough to be seen waiting for, short enough for both programs to wait it out. */
const SLOW_MS = 4000

/** `npm run bench`: our programs and the C ones on one machine, in one run, as a table. */
async function bench(): Promise<void> {
  const provider = await startWlcgProvider()
  const slowProvider = await startWlcgProvider()
  const sides: Contender[] = []
  try {
    const ours = await ourContender(provider)
    sides.push(ours)
    const theirs = await peerContender(provider)
    if (theirs !== undefined) sides.push(theirs)
    for (const side of sides) {
      await seedAccount(side.sandbox, slowProvider, 'slow')
      await side.run('oidc-add', '--pw-env', 'slow')
    }
    provider.settings.latencyMs = LATENCY_MS
    slowProvider.settings.latencyMs = SLOW_MS
    await printTable({ provider, slowProvider, ours, theirs })
  } finally {
    for (const side of sides) await side.sandbox.close()
    await Promise.all([provider.close(), slowProvider.close()])
  }
}

async function printTable(context: cases.Setting): Promise<void> {
  const { theirs } = context
  const version = theirs === undefined ? `C (${whyNoPeer ?? ''})` : await peerVersion()
  print(`| case | ${version} | this agent | compared |`)
  print('| --- | --- | --- | --- |')
  for (const row of [
    cases.memory,
    cases.askedAgain,
    cases.processesAtOnce,
    cases.socketsAtOnce,
    cases.besideSlowProvider,
    cases.oneTokenForAll,
    cases.cachedCommand,
    cases.libraryLoop,
    cases.loading,
    cases.memoryAfterwards,
  ]) {
    const { what, theirs, ours, compared } = await row(context)
    print(`| ${what} | ${theirs} | ${ours} | ${compared} |`)
  }
}

async function peerVersion(): Promise<string> {
  return outputOf(await runCommand('/usr/bin/oidc-agent', ['-V'], { env: {}, cwd: '/' })).trim()
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

await bench()
