import { isDeepStrictEqual } from 'node:util'
import { verifiedPayload } from '../support/access-token.ts'
import { approveDevice } from '../support/approve.ts'
import { deviceCodeIn } from '../support/oidc-gen-output.ts'
import { noTerminalReason } from '../support/pseudo-terminal.ts'
import { Sandbox } from '../support/sandbox.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'
import { ShellSession } from './shell-session.ts'

const PASSWORD = 'demo'
const CE = 'ce.example.org:9619'
const SCOPE = 'compute.read compute.create'
const JWT = /^ey[\w-]+\.[\w-]+\.[\w-]+$/m

/** A provider, a home directory and a shell that runs the commands of the README. */
export class Demonstration {
  readonly #provider: WlcgProvider
  readonly #sandbox: Sandbox
  #shell: ShellSession
  #isClosed = false
  readonly #write: (text: string) => void

  private constructor(
    provider: WlcgProvider,
    sandbox: Sandbox,
    shell: ShellSession,
    write: (text: string) => void,
  ) {
    this.#provider = provider
    this.#sandbox = sandbox
    this.#shell = shell
    this.#write = write
  }

  static async start(write: (text: string) => void): Promise<Demonstration> {
    const provider = await startWlcgProvider({ trailingSlash: true })
    const sandbox = await Sandbox.create()
    // As an administrator announces an issuer and its private authority.
    const known = [{ issuer: provider.issuer, cert_path: provider.caPath }]
    await sandbox.file('home/.config/oidc-agent/issuer.config', JSON.stringify(known))
    await sandbox.file('password', `${PASSWORD}\n`)
    return new Demonstration(provider, sandbox, await newShell(sandbox, write), write)
  }

  /** Runs the main job. @throws Error if a command or a check fails. */
  async run(): Promise<void> {
    this.#say(
      `An OpenID provider set up like a WLCG IAM runs at ${this.#provider.issuer}`,
      'Its certificate is signed by a throw-away authority, named in ~/.config/oidc-agent/issuer.config.',
      `HOME is ${this.#sandbox.home}`,
    )
    await this.#startAgent()
    await this.#logIn()
    const line = `oidc-token --aud="${CE}" --scope "${SCOPE}" wlcg`
    const token = tokenIn(await this.#shell.run(line))

    await this.#shell.run('eval `oidc-agent -k`')

    this.#say('Another day, another shell:')
    await this.#shell.close()
    this.#shell = await newShell(this.#sandbox, this.#write)
    // After a close in between, this shell would stay open.
    if (this.#isClosed) await this.#shell.close()
    await this.#startAgent()
    await this.#unlock()
    await this.#shell.run('oidc-token wlcg >/dev/null && echo "a token, not shown here"')
    const again = tokenIn(await this.#shell.run(line))

    this.#say(
      'Both tokens, checked as a computing element would: signature by the keys the provider publishes,',
      'issuer, lifetime, audience. The payload of the second:',
    )
    for (const one of [token, again]) await this.#check(one)
    const payload = await verifiedPayload(this.#provider, again, CE)
    this.#write(`${JSON.stringify(payload, undefined, 2)}\n`)
  }

  /** The commands to go on by hand; `keeper` is the pid of the process to end afterwards. */
  howToGoOn(keeper: number): string {
    const { PATH, OIDC_SOCK, OIDCD_PID } = this.#sandbox.env
    return [
      '',
      'Agent and provider go on running. To use them in your shell:',
      '',
      `export PATH='${PATH?.split(':')[0] ?? ''}':"$PATH" OIDC_CONFIG_DIR='${this.#sandbox.configDirectory}'`,
      `export OIDC_SOCK='${OIDC_SOCK ?? ''}' OIDCD_PID=${OIDCD_PID ?? ''}`,
      '',
      `Then, for example: oidc-token --aud=${CE} wlcg`,
      `The password of the account wlcg is "${PASSWORD}". New accounts: issuer ${this.#provider.issuer},`,
      'user: any name, with any password.',
      `To end both and remove all files: kill ${keeper}`,
      '',
    ].join('\n')
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#shell.close()
    await this.#sandbox.close()
    await this.#provider.close()
  }

  async #startAgent(): Promise<void> {
    await this.#shell.run('eval `oidc-agent`')
    const said = await this.#shell.ask('echo "OIDC_SOCK=$OIDC_SOCK; OIDCD_PID=$OIDCD_PID;"')
    this.#sandbox.adopt(said)
  }

  async #logIn(): Promise<void> {
    let approval: Promise<void> | undefined
    const approve = (screen: string): undefined => {
      const shown = deviceCodeIn(screen)
      if (approval !== undefined || shown === undefined) return undefined
      approval = approveDevice({ ...shown, caPem: this.#provider.caPem }).then(() =>
        this.#write('[that page was opened, as by a browser; the person logged in and approved]\n'),
      )
      return undefined
    }
    if (noTerminalReason === undefined) {
      const answers = [
        { question: /Issuer.*: $/, answer: this.#provider.issuer },
        { question: /Scopes or 'max'.*: $/, answer: 'max' },
        { question: /password.*: $/, answer: PASSWORD },
      ]
      await this.#shell.run('oidc-gen -w device wlcg', (screen) => {
        approve(screen)
        return answers.find(({ question }) => question.test(screen))?.answer
      })
    } else {
      this.#say(`(${noTerminalReason}, so questions are answered by options)`)
      const options = `--iss=${this.#provider.issuer} --scope=max --pw-file=../password --prompt=none`
      await this.#shell.run(`oidc-gen -w device ${options} wlcg`, approve)
    }
    await approval
  }

  async #unlock(): Promise<void> {
    if (noTerminalReason === undefined) {
      await this.#shell.run('oidc-add wlcg', (screen) =>
        /password.*: $/i.test(screen) ? PASSWORD : undefined,
      )
    } else await this.#shell.run('oidc-add --pw-file=../password wlcg')
    await this.#shell.run('oidc-add -a')
  }

  async #check(token: string): Promise<void> {
    const { aud, scope } = await verifiedPayload(this.#provider, token, CE)
    if (isDeepStrictEqual({ aud, scope }, { aud: CE, scope: SCOPE })) return
    throw new Error(`the token is for ${JSON.stringify({ aud, scope })}`)
  }

  #say(...lines: readonly string[]): void {
    this.#write(`\n${lines.map((line) => `# ${line}\n`).join('')}\n`)
  }
}

function newShell(sandbox: Sandbox, write: (text: string) => void): Promise<ShellSession> {
  const { env, home: directory } = sandbox
  const fresh = Object.entries(env).filter(([name]) => !name.startsWith('OIDC'))
  const terminal = noTerminalReason === undefined
  const note = (text: string): void => {
    sandbox.noteAgents(text)
    write(text)
  }
  return ShellSession.open({ env: Object.fromEntries(fresh), directory, terminal, write: note })
}

function tokenIn(output: string): string {
  const token = JWT.exec(output)?.[0]
  if (token === undefined) throw new Error('this is not a token')
  return token
}
