import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GenHost } from '../../cli/oidc-gen/host.ts'
import { generate } from '../../cli/oidc-gen/oidc-gen.ts'
import { oidcGen } from '../../cli/oidc-gen/options.ts'
import { type ExitOutcome, run } from '../../cli/run.ts'
import { testIo } from '../../cli/test-io.ts'
import { AccountDirectory } from '../../protocol/storage/account-directory.ts'
import { unlockAccountFile } from '../../protocol/storage/account-file.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type ScriptedAgent, scriptedAgent } from './scripted-agent.ts'
import { type ScriptedTerminal, scriptedTerminal, type Turn } from './scripted-terminal.ts'

/** The result of a run of `oidc-gen`. */
export interface Ran {
  readonly status: ExitOutcome
  readonly stdout: string
  readonly stderr: string
  readonly terminal: ScriptedTerminal
  /** Pauses between polls, in seconds. */
  readonly pauses: readonly number[]
  /** Pages opened in a browser. */
  readonly opened: readonly string[]
}

export interface RunOptions {
  /** The questions and the person's answers; absent: there is no terminal. */
  readonly turns?: readonly Turn[]
  readonly env?: Readonly<Record<string, string>>
  /** True: stderr is a terminal. */
  readonly showing?: boolean
  /** The number of the pause during which Ctrl-C is pressed, from 1. */
  readonly interruptAt?: number
}

/** Replies of the agent by request type. A list gives one reply a request; its last entry is repeated. */
export type Answers = Readonly<Record<string, JsonObject | readonly JsonObject[]>>

/** For tests: `oidc-gen` in a home of its own, with an agent whose replies are given. */
export class GenSession {
  readonly home: string
  readonly agent: ScriptedAgent

  private constructor(home: string, agent: ScriptedAgent) {
    this.home = home
    this.agent = agent
  }

  static async open(answers: Answers): Promise<GenSession> {
    const counts = new Map<string, number>()
    const agent = await scriptedAgent((request) => {
      const type = request['request']
      if (typeof type !== 'string') throw new Error('a request without type')
      const answer = answers[type] ?? { status: 'failure', error: `unexpected ${type}` }
      if (!isList(answer)) return answer
      const count = counts.get(type) ?? 0
      counts.set(type, count + 1)
      return answer[Math.min(count, answer.length - 1)] ?? {}
    })
    return new GenSession(await mkdtemp(join(tmpdir(), 'oidc-gen-')), agent)
  }

  async close(): Promise<void> {
    await this.agent.close()
    await rm(this.home, { recursive: true, force: true })
  }

  get accounts(): AccountDirectory {
    return new AccountDirectory(join(this.home, '.oidc-agent'))
  }

  /** The types of the requests so far. */
  get asked(): readonly unknown[] {
    return this.agent.requests.map((request) => request['request'])
  }

  /** The first request of a type. */
  request(type: string): JsonObject {
    const found = this.agent.requests.find((request) => request['request'] === type)
    if (found === undefined) throw new Error(`the agent was not asked ${type}`)
    return found
  }

  async fieldsOf(account: string, password: string): Promise<JsonObject> {
    return (await unlockAccountFile(await this.accounts.read(account), password)).fields
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const env = { HOME: this.home, OIDC_SOCK: this.agent.path, ...options.env }
    let clock = 0
    const io = { ...testIo({ argv, env, terminal: options.showing ?? false }), now: () => clock }
    const terminal = scriptedTerminal(...(options.turns ?? []))
    const pauses: number[] = []
    const opened: string[] = []
    let interrupt: () => void = () => undefined
    const host: GenHost = {
      hostName: 'host',
      systemDirectory: join(this.home, 'etc'),
      openTerminal: () => {
        if (options.turns !== undefined) return terminal
        throw new AgentError('no-terminal', 'there is no terminal to ask on')
      },
      openPipe: () => scriptedTerminal(),
      onInterrupt: (callback) => {
        interrupt = callback
        return () => undefined
      },
      openBrowser: (url) => void opened.push(url),
      pause: (milliseconds, signal) => {
        pauses.push(milliseconds / 1000)
        clock += milliseconds
        if (pauses.length === options.interruptAt) interrupt()
        return signal.aborted
          ? Promise.reject(new AgentError('cancelled', 'cancelled: interrupted'))
          : Promise.resolve()
      },
    }
    const status = await run(oidcGen, (args, runtime) => generate(args, runtime, host), io)
    return { status, stdout: io.stdout.text, stderr: io.stderr.text, terminal, pauses, opened }
  }
}

function isList(answer: JsonObject | readonly JsonObject[]): answer is readonly JsonObject[] {
  return Array.isArray(answer)
}
