import { agentAddresses, callAgent } from '../../protocol/client/call.ts'
import { sanitize } from '../../protocol/wire/text.ts'
import { type Arguments, usageError } from '../arguments.ts'
import { exportLine } from '../printing.ts'
import { type ExitOutcome, type Io, NON_INTERACTIVE } from '../run.ts'
import { outcomeOf, runCommand } from '../signals.ts'
import { killAgent } from './kill-agent.ts'
import { agentOptions, type LauncherOptions, type oidcAgent } from './options.ts'
import { type Daemon, endDaemon, type Host, startDaemon } from './start-daemon.ts'

/**
 * `oidc-agent`: starts an agent, ends the running one, or prints its status. Returns how this process
 * is to end.
 * @throws AgentError what failed
 */
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
    // The agent was not announced, so no program could find it.
    process.kill(daemon.pid)
    throw error
  } finally {
    daemon.process.unref()
  }
  io.stdout.write(announcement(daemon, options))
  return 0
}

/** What one start of an agent takes. */
interface Start {
  readonly options: LauncherOptions
  readonly io: Io
  readonly host: Host
}

function start({ options, io, host }: Start, parentPipe: boolean): Promise<Daemon> {
  const daemonOptions = agentOptions(options, { ...host, parentPipe })
  return startDaemon(daemonOptions, host, environment({ options, io }))
}

/** Our environment, with the variable that says whether there is a person. */
function ownEnvironment({ options, io }: Pick<Start, 'options' | 'io'>): Io['env'] {
  return options.nonInteractive ? { ...io.env, [NON_INTERACTIVE]: '1' } : io.env
}

/** The environment of the agent and of a command: without the account that is only for us. */
function environment(start: Pick<Start, 'options' | 'io'>): Io['env'] {
  return { ...ownEnvironment(start), OIDC_ACCOUNT_JSON: undefined }
}

/** Loads the accounts that were given into the agent that has started. */
async function load(
  { socket }: Daemon,
  { options, io }: Pick<Start, 'options' | 'io'>,
): Promise<void> {
  if (options.load.length === 0 && (io.env['OIDC_ACCOUNT_JSON'] ?? '') === '') return
  // It loads Argon2, which a start without accounts need not wait for.
  const { loadGiven } = await import('./load-given.ts')
  const env = ownEnvironment({ options, io })
  await loadGiven({ kind: 'unix', path: socket }, options, { ...io, env })
}

/** `oidc-agent COMMAND ARGS…`: an agent for one command. It ends with the command or with us. */
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

/** `oidc-agent -d`: passes our signals on to the agent, and ends as the agent does. */
async function launchInForeground({ options, io, host }: Start): Promise<ExitOutcome> {
  const daemon = await start({ options, io, host }, true)
  // Before the announcement: its reader may send a signal at once.
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

/** The output after a start: shell commands to `eval`, or JSON, byte for byte that of the C agent. */
function announcement(
  { socket, pid }: Pick<Daemon, 'socket' | 'pid'>,
  { json, quiet, nonInteractive }: Pick<LauncherOptions, 'json' | 'quiet' | 'nonInteractive'>,
): string {
  if (json) return `{\n\t"socket":\t${JSON.stringify(socket)},\n\t"dpid":\t"${pid}"\n}`
  const lines = [exportLine('OIDC_SOCK', socket), exportLine('OIDCD_PID', String(pid))]
  if (nonInteractive) lines.push(exportLine(NON_INTERACTIVE, '1'))
  if (!quiet) lines.push('echo Agent pid $OIDCD_PID')
  return lines.map((line) => `${line}\n`).join('')
}

/** The output after `-k`: shell commands to `eval`. */
function farewell(pid: number, { quiet }: Pick<LauncherOptions, 'quiet'>): string {
  const lines = ['unset OIDC_SOCK;', 'unset OIDCD_PID;']
  if (!quiet) lines.push(`echo Agent pid ${pid} killed;`)
  return lines.map((line) => `${line}\n`).join('')
}

/** `oidc-agent --status`: prints what the running agent reports. */
async function printStatus(json: boolean, { env, uid, stdout }: Io): Promise<void> {
  const { local } = agentAddresses(env, uid)
  if (json) {
    const { info } = await callAgent(local, { request: 'status_json' })
    // No end of line: byte for byte what oidc-agent 5 prints.
    stdout.write(sanitize(JSON.stringify(info), 'json'))
    return
  }
  const { info } = await callAgent(local, { request: 'status' })
  stdout.write(sanitize(info.endsWith('\n') ? info : `${info}\n`, 'terminal'))
}
