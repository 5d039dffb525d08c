import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Demonstration } from './demonstration.ts'

/**
 * `npm run demo`: the main job, on an embedded provider. With `--keep` the work is done by a process
 * that stays, with agent and provider, after this one has shown what it did.
 */
const [mode] = process.argv.slice(2)

async function showAndEnd(): Promise<number> {
  const demonstration = await Demonstration.start((text) => process.stdout.write(text))
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  try {
    const ended = demonstration.run().then(() => 0)
    return await Promise.race([ended, interrupted.then(() => 130)])
  } catch (error) {
    process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  } finally {
    await demonstration.close()
  }
}

/** What the process that stays does; it speaks to its parent, which may be gone later. */
async function keep(): Promise<number> {
  const say = (text: string): void => {
    if (process.connected) process.send?.(text)
  }
  const demonstration = await Demonstration.start(say)
  const stop = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  try {
    await Promise.race([demonstration.run(), stop.then(() => Promise.reject(new Error('stopped')))])
    say(demonstration.howToGoOn(process.pid))
    process.disconnect()
    await stop
    return 0
  } catch (error) {
    say(`\n${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  } finally {
    await demonstration.close()
    if (process.connected) process.disconnect()
  }
}

async function showKeeper(): Promise<number> {
  const keeper = fork(process.argv[1] ?? '', ['--keeper'], { detached: true, stdio: 'ignore' })
  const stop = (): void => void keeper.kill('SIGTERM')
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  keeper.on('message', (text: string) => process.stdout.write(text))
  await once(keeper, 'disconnect')
  if (keeper.connected) keeper.disconnect()
  keeper.unref()
  return keeper.exitCode ?? 0
}

const modes: Readonly<Record<string, () => Promise<number>>> = {
  '--keep': showKeeper,
  '--keeper': keep,
}

process.exitCode = await (modes[mode ?? ''] ?? showAndEnd)()
