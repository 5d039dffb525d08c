import { lstat, readFile, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Environment } from '../../protocol/wire/agent-options.ts'
import { AgentError, systemCode } from '../../protocol/wire/errors.ts'

/** An agent may be storing a last refresh token; after this it is left to end by itself. */
const END_TIMEOUT_MS = 5_000
const LOOK_EVERY_MS = 10

/**
 * Ends the agent of this environment, waits until it is gone, and removes what it left. Gives its pid.
 * @throws AgentError `agent-unreachable` where there is none.
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
  // 1 is init, and 0 and less would name whole groups of processes.
  const pid = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (pid <= 1) throw new AgentError('agent-unreachable', `OIDCD_PID is no pid: '${text}'`)
  if (!(await isRunning(pid)) || !(await isAgent(pid))) {
    const hint = 'It has ended already: unset OIDC_SOCK OIDCD_PID'
    throw new AgentError('agent-unreachable', `there is no oidc-agent with pid ${pid}`, { hint })
  }
  return pid
}

/** Whether there is such a process, dead ones that nobody has waited for not counted. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
  const state = await readProc(pid, 'stat')
  return state === undefined || !/^\d+ \(.*\) Z/s.test(state)
}

/** A pid may have gone to another process since. Where the system does not tell, it is believed. */
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

/** Gone already, not empty, or not ours to remove. */
const circuitOpen = ['ENOENT', 'ENOTEMPTY', 'EACCES', 'EPERM']

/** Our agent removes its socket; the C agent, and one that was killed, leave socket and directory. */
async function removeSocket(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isSocket()) await unlink(path)
    const directory = dirname(path)
    if (/^oidc-\w{6}$/.test(basename(directory))) await rmdir(directory)
  } catch (error) {
    if (!circuitOpen.includes(systemCode(error) ?? '')) throw error
  }
}
