import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Demonstration } from './demonstration.ts'
import { plain } from './shell-session.ts'

/*
 * `npm run demo`: the main job, with an embedded provider. With `--keep` a detached process runs it
 * and stays afterwards, with agent and provider; this process shows its output.
 */

/** The last message of the detached process. */
const KEPT = 'kept'

function show(text: string): void {
  process.stdout.write(process.stdout.isTTY ? text : plain(text))
}

function endRequested(): Promise<unknown> {
  return Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}

async function showAndEnd(): Promise<number> {
  // Listens from the start, so that everything started is ended.
  const interrupted = endRequested()
  const demonstration = await Demonstration.start(show)
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

/** The detached process; its parent, which shows its output, may end earlier. */
async function keep(): Promise<number> {
  const say = (text: string): void => {
    if (process.connected) process.send?.(text)
  }
  const stopped = endRequested()
  const demonstration = await Demonstration.start(say)
  try {
    await Promise.race([
      demonstration.run(),
      stopped.then(() => Promise.reject(new Error('stopped'))),
    ])
    say(demonstration.howToGoOn(process.pid))
    process.send?.(KEPT)
    process.disconnect()
    await stopped
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
  const kept = new Promise<number>((resolve) => {
    keeper.on('message', (message: string) => {
      if (message === KEPT) resolve(0)
      else show(message)
    })
  })
  const failed = once(keeper, 'exit').then(([status]) => (status as number | null) ?? 1)
  const status = await Promise.race([kept, failed])
  if (keeper.connected) keeper.disconnect()
  keeper.unref()
  return status
}

const modes: Readonly<Record<string, () => Promise<number>>> = {
  '--keep': showKeeper,
  '--keeper': keep,
}

process.exitCode = await (modes[process.argv[2] ?? ''] ?? showAndEnd)()
