import { lstat, readFile, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Environment } from '../../protocol/wire/agent-options.ts'
import { AgentError, systemCode } from '../../protocol/wire/errors.ts'

/** An agent may still be saving a refresh token. After this time it is not waited for. */
const END_TIMEOUT_MS = 5_000
const LOOK_EVERY_MS = 10

/**
 * Ends the agent of this environment, waits until the process has ended, and removes its socket.
 * Returns its pid.
 * @throws AgentError `agent-unreachable` if there is none
 */
export async function killAgent(env: Environment): Promise<number> {
  const pid = await agentPid(env['OIDCD_PID'])
  try {
    process.kill(pid, 'SIGTERM')
  } catch (cause) {
    throw new AgentError('agent-unreachable', `cannot end the agent with pid ${pid}`, { cause })
  }
  const deadline = performance.now() + END_TIMEOUT_MS
  while (performance.now() < deadline && (await isRunning(pid))) await pause(LOOK_EVERY_MS)
  const socket = env['OIDC_SOCK']
  if (socket !== undefined && socket !== '') await removeSocket(socket)
  return pid
}

async function agentPid(text: string | undefined): Promise<number> {
  if (text === undefined || text === '') {
    throw new AgentError('agent-unreachable', 'OIDCD_PID not set, cannot kill Agent')
  }
  // 1 is init; 0 and negative numbers mean groups of processes.
  const pid = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (pid <= 1) throw new AgentError('agent-unreachable', `OIDCD_PID is not a pid: '${text}'`)
  if (!(await isRunning(pid)) || !(await isAgent(pid))) {
    const hint = 'The agent has already ended. To forget it: unset OIDC_SOCK OIDCD_PID'
    throw new AgentError('agent-unreachable', `there is no oidc-agent with pid ${pid}`, { hint })
  }
  return pid
}

/** Whether the process runs; a zombie does not count. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
  const state = await readProc(pid, 'stat')
  return state === undefined || !/^\d+ \(.*\) Z/s.test(state)
}

/**
 * Whether the process is an agent: its pid may have been reused by another program. True if /proc does
 * not tell.
 */
async function isAgent(pid: number): Promise<boolean> {
  const name = await readProc(pid, 'comm')
  const words = await readProc(pid, 'cmdline')
  if (name === undefined && words === undefined) return true
  return [name, words].some((text) => text?.includes('oidc-agent'))
}

async function readProc(
  pid: number,
  file: 'stat' | 'comm' | 'cmdline',
): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

/** Errors of removing that are no failure: already removed, not empty, or not ours. */
const ignoredCodes = ['ENOENT', 'ENOTEMPTY', 'EACCES', 'EPERM']

/** Removes the socket and its directory, which the C agent and a killed agent leave behind. */
async function removeSocket(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isSocket()) await unlink(path)
    const directory = dirname(path)
    if (/^oidc-\w{6}$/.test(basename(directory))) await rmdir(directory)
  } catch (error) {
    if (!ignoredCodes.includes(systemCode(error) ?? '')) throw error
  }
}
