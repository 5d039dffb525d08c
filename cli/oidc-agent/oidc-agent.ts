import { type Arguments, usageError } from '../argv.ts'
import { NON_INTERACTIVE } from '../non-interactive.ts'
import type { ExitOutcome, Io } from '../run.ts'
import { outcomeOf, runCommand } from '../run-command.ts'
import { announcement, farewell } from './announcement.ts'
import type { Host } from './host.ts'
import { killAgent } from './kill-agent.ts'
import { agentOptions, type LauncherOptions, type oidcAgent } from './options.ts'
import { printStatus } from './print-status.ts'
import { type Daemon, endDaemon, startDaemon } from './start-daemon.ts'

/** `oidc-agent`: starts an agent, or ends or asks the one that runs. */
export async function launch(
  { options, operands }: Arguments<typeof oidcAgent.options>,
  io: Io,
  host: Host,
): Promise<ExitOutcome> {
  if (options.kill) {
    io.stdout.write(farewell(await killAgent(io.env), options))
    return 0
  }
  if (options.status) {
    await printStatus(options.json, io)
    return 0
  }
  if (operands.length > 0) return await launchFor(operands, { options, io, host })
  if (options.console) return await launchInForeground({ options, io, host })
  const daemon = await start({ options, io, host }, false)
  try {
    await load(daemon, { options, io })
  } catch (error) {
    // Nobody would know of it.
    process.kill(daemon.pid)
    throw error
  } finally {
    daemon.process.unref()
  }
  io.stdout.write(announcement(daemon, options))
  return 0
}

/** Everything that one start of an agent needs. */
interface Start {
  readonly options: LauncherOptions
  readonly io: Io
  readonly host: Host
}

function start({ options, io, host }: Start, parentPipe: boolean): Promise<Daemon> {
  const told = agentOptions(options, { ...host, parentPipe })
  return startDaemon(told, host, environment({ options, io }))
}

/** Our environment, which says whether there is a person. */
function ownEnvironment({ options, io }: Pick<Start, 'options' | 'io'>): Io['env'] {
  return options.nonInteractive ? { ...io.env, [NON_INTERACTIVE]: '1' } : io.env
}

/** Of the agent and of a command: without the account that is only for us. */
function environment(start: Pick<Start, 'options' | 'io'>): Io['env'] {
  return { ...ownEnvironment(start), OIDC_ACCOUNT_JSON: undefined }
}

/** Loads what was given into the agent that has started. */
async function load(
  { socket }: Daemon,
  { options, io }: Pick<Start, 'options' | 'io'>,
): Promise<void> {
  if (options.load.length === 0 && (io.env['OIDC_ACCOUNT_JSON'] ?? '') === '') return
  // It brings Argon2 along, which other starts of an agent need not wait for.
  const { loadGiven } = await import('./load-given.ts')
  const env = ownEnvironment({ options, io })
  await loadGiven({ kind: 'unix', path: socket }, options, { ...io, env })
}

/** `oidc-agent COMMAND ARGS…`: an agent for one command, gone when the command or we are. */
async function launchFor(
  words: readonly string[],
  { options, io, host }: Start,
): Promise<ExitOutcome> {
  if (options.console) throw usageError('with a command the agent cannot stay in the foreground')
  const daemon = await start({ options, io, host }, true)
  try {
    await load(daemon, { options, io })
    const { socket, pid } = daemon
    return await runCommand(words, {
      ...environment({ options, io }),
      OIDC_SOCK: socket,
      OIDCD_PID: String(pid),
    })
  } finally {
    await endDaemon(daemon)
  }
}

/** `oidc-agent -d`: we stand for the agent, in our signals and its end. */
async function launchInForeground({ options, io, host }: Start): Promise<ExitOutcome> {
  const daemon = await start({ options, io, host }, true)
  // Before the announcement: who reads it may send a signal at once.
  const ended = outcomeOf(() => daemon.process)
  try {
    await load(daemon, { options, io })
  } catch (error) {
    await endDaemon(daemon)
    throw error
  }
  io.stdout.write(announcement(daemon, options))
  return await ended
}
