import { outputOf, runCommand } from '../support/command.ts'
import { seedAccount } from '../support/seed-account.ts'
import { startWlcgProvider } from '../support/wlcg-provider.ts'
import * as cases from './cases.ts'
import { type Contender, ourContender, peerContender, whyNoPeer } from './contender.ts'

/** Latency of a token endpoint across Europe. */
const LATENCY_MS = 200
/** Long enough to measure the waiting, shorter than the timeouts of both programs. */
const SLOW_MS = 4000

/** `npm run bench`: compares our programs with the C programs on one machine, in one run, as a table. */
async function bench(): Promise<void> {
  const provider = await startWlcgProvider()
  const slowProvider = await startWlcgProvider()
  const contenders: Contender[] = []
  try {
    const ours = await ourContender(provider)
    contenders.push(ours)
    const theirs = await peerContender(provider)
    if (theirs !== undefined) contenders.push(theirs)
    for (const contender of contenders) {
      await seedAccount(contender.sandbox, slowProvider, 'slow')
      await contender.run('oidc-add', '--pw-env', 'slow')
    }
    provider.settings.latencyMs = LATENCY_MS
    slowProvider.settings.latencyMs = SLOW_MS
    await printTable({ provider, slowProvider, ours, theirs })
  } finally {
    for (const contender of contenders) await contender.sandbox.close()
    await Promise.all([provider.close(), slowProvider.close()])
  }
}

async function printTable(context: cases.BenchContext): Promise<void> {
  const { theirs } = context
  const version = theirs === undefined ? `C (${whyNoPeer ?? ''})` : await peerVersion()
  print(`| case | ${version} | this agent | compared |`)
  print('| --- | --- | --- | --- |')
  for (const measure of [
    cases.memory,
    cases.repeatedRequest,
    cases.processesAtOnce,
    cases.socketsAtOnce,
    cases.besideSlowProvider,
    cases.oneTokenForAll,
    cases.cachedCommand,
    cases.libraryLoop,
    cases.loading,
    cases.memoryAfterwards,
  ]) {
    const { what, theirs, ours, compared } = await measure(context)
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
