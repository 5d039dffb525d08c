import { type Arguments, usageError } from '../argv.ts'
import type { Io } from '../run.ts'
import { runCommand, statusOf } from '../run-command.ts'
import { announcement, farewell } from './announcement.ts'
import type { Host } from './host.ts'
import { killAgent } from './kill-agent.ts'
import { agentOptions, type LauncherOptions, type oidcAgent } from './options.ts'
import { printStatus } from './print-status.ts'
import { endDaemon, startDaemon } from './start-daemon.ts'

/** `oidc-agent`: starts an agent, or ends or asks the one that runs. */
export async function launch(
  { options, operands }: Arguments<typeof oidcAgent.options>,
  io: Io,
  host: Host,
): Promise<number> {
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
  const daemon = await startDaemon(
    agentOptions(options, { ...host, lifeline: false }),
    host,
    io.env,
  )
  io.stdout.write(announcement(daemon, options))
  daemon.process.unref()
  return 0
}

/** Everything that one start of an agent needs. */
interface Start {
  readonly options: LauncherOptions
  readonly io: Io
  readonly host: Host
}

/** `oidc-agent COMMAND ARGS…`: an agent for one command, gone when the command or we are. */
async function launchFor(words: readonly string[], { options, io, host }: Start): Promise<number> {
  if (options.console) throw usageError('with a command the agent cannot stay in the foreground')
  const daemon = await startDaemon(agentOptions(options, { ...host, lifeline: true }), host, io.env)
  try {
    const env = { ...io.env, OIDC_SOCK: daemon.socket, OIDCD_PID: String(daemon.pid) }
    return await runCommand(words, env)
  } finally {
    await endDaemon(daemon)
  }
}

/** `oidc-agent -d`: we stand for the agent, in our signals and its end. */
async function launchInForeground({ options, io, host }: Start): Promise<number> {
  const daemon = await startDaemon(agentOptions(options, { ...host, lifeline: true }), host, io.env)
  // Before the announcement: who reads it may send a signal at once.
  const ended = statusOf(() => daemon.process)
  io.stdout.write(announcement(daemon, options))
  return await ended
}
