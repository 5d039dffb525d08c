import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { endProcess } from '../support/process-table.ts'
import type { SandboxAgent } from '../support/sandbox.ts'
import { tokenFrom } from '../support/seed-account.ts'
import type { Attack } from './attack.ts'
import type { Contender } from './contender.ts'
import { Logins } from './logins.ts'

/** System calls of a save that fail, and how. Some file systems know no fsync or no modes. */
const FAULTS = [
  ['fsync', 'EINVAL'],
  ['fsync', 'EIO'],
  ['rename', 'ENOSPC'],
  ['rename', 'EDQUOT'],
  ['fchmod', 'EPERM'],
] as const

/** Refreshes while each of the system calls of a save fails; afterwards the disk works again. */
export const diskFaults: Attack = {
  name: 'disk faults at a save',
  weight: 1,
  ...skippedUnlessRoot(),
  run: async ({ contender }) => {
    let lost = 0
    let refused = 0
    for (const [call, error] of FAULTS) {
      const came = await whileFailing(contender, call, error)
      lost += came.lost ? 1 : 0
      refused += came.refused ? 1 : 0
    }
    return {
      did: FAULTS.map(([call, error]) => `${call} ${error}`).join(', '),
      result: `${lost} logins lost, ${refused} refused when the disk worked again`,
      bound: '0, 0',
      ok: lost === 0 && refused === 0,
    }
  },
}

async function whileFailing(
  contender: Contender,
  call: string,
  error: string,
): Promise<{ readonly lost: boolean; readonly refused: boolean }> {
  const logins = await Logins.open()
  const { sandbox } = logins
  const fails = (agent: SandboxAgent): Promise<boolean> =>
    tokenFrom(agent, { account: 'login0', force: true }).then(
      () => false,
      () => true,
    )
  try {
    await logins.write('login0')
    const agent = await contender.start(sandbox)
    await contender.load(sandbox, agent, 'login0')
    const detach = await injectInto(agent, call, error)
    for (let round = 0; round < 3; round += 1) await fails(agent)
    await detach()
    const refused = await fails(agent)
    await sandbox.endAgent(agent, 'SIGKILL')
    const next = await contender.start(sandbox)
    await contender.load(sandbox, next, 'login0')
    return { refused, lost: await fails(next) }
  } finally {
    await logins.close()
  }
}

/** Lets a system call of the agent fail, whenever it is made. Returns what ends that. */
async function injectInto(
  { pid }: SandboxAgent,
  call: string,
  error: string,
): Promise<() => Promise<void>> {
  const calls = call === 'rename' ? 'rename,renameat,renameat2' : call
  const args = ['-f', '-p', String(pid), '-o', '/dev/null', '-e', `trace=${calls}`]
  const tracer = spawn('strace', [...args, '-e', `inject=${calls}:error=${error}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  // It says when it is attached.
  await once(tracer.stderr, 'data')
  return async () => {
    const closed = once(tracer, 'close')
    if (tracer.pid !== undefined) await endProcess(tracer.pid, 'SIGINT')
    await closed
  }
}

function skippedUnlessRoot(): { readonly skipped?: string } {
  if (process.getuid?.() !== 0) return { skipped: 'needs root' }
  return spawnSync('strace', ['-V']).status === 0 ? {} : { skipped: 'strace is not installed' }
}
