import { readFileSync } from 'node:fs'
import { access, chown, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  type CommandOptions,
  type Finished,
  outputOf,
  type Started,
  startCommand,
} from './command.ts'
import { endProcess, isRunning } from './process-table.ts'

/** The output of `npm run build`; the same relative path from this file and from the bundles in `dist/dev`. */
const DIST = join(import.meta.dirname, '..', '..', 'dist')

/** An agent started in a sandbox. */
export interface SandboxAgent {
  readonly socketPath: string
  readonly pid: number
}

export interface SandboxOptions {
  /** The user that runs everything; requires root. The commands are copied to a readable directory. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

type RunOptions = Partial<CommandOptions>

/**
 * A home directory and an environment for commands: HOME, TMPDIR and the XDG directories below one
 * temporary directory, nothing of the caller's environment, and the built commands first in PATH.
 * `close` ends its agents by their pids and removes the directory.
 */
export class Sandbox {
  readonly directory: string
  readonly home: string
  readonly configDirectory: string
  /** The environment of every command; `OIDC_SOCK` and `OIDCD_PID` name the last agent started. */
  readonly env: Record<string, string>
  readonly #options: SandboxOptions
  readonly #agents = new Set<number>()

  private constructor(directory: string, bin: string, options: SandboxOptions) {
    this.directory = directory
    this.home = join(directory, 'home')
    this.configDirectory = join(this.home, '.config', 'oidc-agent')
    this.env = environment(directory, bin)
    this.#options = options
  }

  static async create(options: SandboxOptions = {}): Promise<Sandbox> {
    // Without the build, PATH would find other programs of the same names.
    await access(join(DIST, 'bin', 'oidc-gen')).catch(() => {
      throw new Error(`no commands in ${DIST}: run npm run build`)
    })
    const directory = await mkdtemp(join(tmpdir(), 'oidc-sandbox-'))
    const bin = await commandsFor(directory, options)
    const sandbox = new Sandbox(directory, bin, options)
    const made = [directory, sandbox.home, join(sandbox.home, '.config'), join(directory, 'tmp')]
    for (const path of [...made, join(directory, 'run'), sandbox.configDirectory]) {
      await mkdir(path, { recursive: true, mode: 0o700 })
      if (options.user !== undefined) await chown(path, options.user.uid, options.user.gid)
    }
    return sandbox
  }

  /** Runs a command by name; our own commands come first. */
  run(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> {
    return this.start(command, args, options).finished
  }

  /** Starts a command without waiting for its end. */
  start(command: string, args: readonly string[] = [], options: RunOptions = {}): Started {
    const { child, finished } = startCommand(command, args, this.#with(options))
    child.stdout?.on('data', (chunk: Buffer) => this.noteAgents(chunk.toString()))
    return { child, finished }
  }

  /** Runs a script in the system's `sh`. */
  async sh(script: string, options: RunOptions = {}): Promise<Finished> {
    return { ...(await this.run('/bin/sh', ['-c', script], options)), line: script }
  }

  /** Writes a file below the sandbox's directory. Returns its path. */
  async file(name: string, content: string, mode = 0o600): Promise<string> {
    const path = join(this.directory, name)
    await writeFile(path, content, { mode })
    const { user } = this.#options
    if (user !== undefined) await chown(path, user.uid, user.gid)
    return path
  }

  /** Starts an agent; the commands of the sandbox find it. */
  async startAgent(args: readonly string[] = [], options: RunOptions = {}): Promise<SandboxAgent> {
    const output = outputOf(await this.run('oidc-agent', args, options))
    return this.adopt(output)
  }

  /** Adopts the agent that `oidc-agent` printed: commands find it, and `close` ends it. */
  adopt(output: string): SandboxAgent {
    const socketPath = /OIDC_SOCK=([^;]+);/.exec(output)?.[1]
    const pid = Number(/OIDCD_PID=(\d+)/.exec(output)?.[1])
    if (socketPath === undefined || !(pid > 1)) {
      throw new Error(`not the output of oidc-agent:\n${output}`)
    }
    this.noteAgents(output)
    this.env['OIDC_SOCK'] = socketPath
    this.env['OIDCD_PID'] = String(pid)
    return { socketPath, pid }
  }

  /** Ends an agent and waits for its end. */
  async endAgent({ pid }: SandboxAgent, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await endProcess(pid, signal)
    this.#agents.delete(pid)
  }

  async close(): Promise<void> {
    for (const pid of this.#agents) if (isAgent(pid)) await endProcess(pid, 'SIGKILL')
    await rm(this.directory, { recursive: true, force: true })
  }

  /** Remembers the agents in a command's output, so that `close` ends them. */
  noteAgents(output: string): void {
    for (const [, pid] of output.matchAll(/(?:OIDCD_PID=|Agent pid |"dpid":\t")(\d+)/g)) {
      this.#agents.add(Number(pid))
    }
  }

  #with(options: RunOptions): CommandOptions {
    const { uid, gid } = this.#options.user ?? {}
    return { cwd: this.home, uid, gid, ...options, env: { ...this.env, ...options.env } }
  }
}

/** Whether the pid still belongs to an agent; the kernel may have used it again. */
function isAgent(pid: number): boolean {
  if (!isRunning(pid)) return false
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('agent')
  } catch {
    return process.platform !== 'linux'
  }
}

async function commandsFor(directory: string, { user }: SandboxOptions): Promise<string> {
  if (user === undefined) return join(DIST, 'bin')
  // The other user may be unable to read the checkout, e.g. below /root.
  const copy = join(directory, 'dist')
  await cp(DIST, copy, { recursive: true })
  return join(copy, 'bin')
}

function environment(directory: string, bin: string): Record<string, string> {
  const home = join(directory, 'home')
  return {
    HOME: home,
    TMPDIR: join(directory, 'tmp'),
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_DATA_HOME: join(home, '.local', 'share'),
    XDG_STATE_HOME: join(home, '.local', 'state'),
    XDG_CACHE_HOME: join(home, '.cache'),
    XDG_RUNTIME_DIR: join(directory, 'run'),
    // The commands' first line looks for node in the PATH.
    PATH: [
      bin,
      dirname(process.execPath),
      '/usr/local/bin',
      '/usr/bin',
      '/bin',
      '/usr/sbin',
      '/sbin',
    ].join(':'),
    LANG: 'C.UTF-8',
    TERM: 'xterm',
  }
}
