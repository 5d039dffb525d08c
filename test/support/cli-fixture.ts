import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeJwt, type JWTPayload } from 'jose'
import { expect } from 'vitest'
import { type Issuer, type IssuerOptions, startIssuer } from '../issuer/start-issuer.ts'
import { type Finished, outputOf, type Started, shown } from './command.ts'
import { Sandbox } from './sandbox.ts'
import { PASSWORD } from './seed-account.ts'

/**
 * The commands, an agent with a debug log, and the scriptable provider, where the person approves
 * every login. The outputs of all commands are kept for {@link checkSecrecy}.
 */
export class CliFixture {
  readonly sandbox: Sandbox
  readonly issuer: Issuer
  /** Every command that {@link run} or {@link gen} ran, with its outputs. */
  readonly #finished: Finished[] = []
  readonly #log: string
  /** Contains the password of every account file. */
  readonly passwordFile: string

  private constructor(sandbox: Sandbox, issuer: Issuer, passwordFile: string) {
    this.sandbox = sandbox
    this.issuer = issuer
    this.#log = join(sandbox.directory, 'agent.log')
    this.passwordFile = passwordFile
  }

  static async open(
    options: IssuerOptions = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<CliFixture> {
    const { settings } = options
    const approving = { person: 'approves', deviceInterval: 1, ...settings } as const
    const issuer = await startIssuer({ ...options, settings: approving })
    const sandbox = await Sandbox.create()
    const fixture = new CliFixture(sandbox, issuer, await sandbox.file('password', `${PASSWORD}\n`))
    const started = await sandbox.sh(`oidc-agent -g --log-stderr 2>'${fixture.#log}'`, { env })
    sandbox.adopt(outputOf(started))
    return fixture
  }

  async close(): Promise<void> {
    await this.sandbox.close()
    await this.issuer.close()
  }

  /** Runs a command to its end. */
  async run(command: string, ...args: readonly string[]): Promise<Finished> {
    return this.#kept(this.sandbox.start(command, args))
  }

  /** Runs `oidc-gen` for an account at the provider; options answer every question. */
  async gen(name: string, ...options: readonly string[]): Promise<Finished> {
    return this.#kept(this.startGen(name, ...options))
  }

  startGen(name: string, ...options: readonly string[]): Started {
    const { origin, settings, caPath } = this.issuer
    return this.sandbox.start('oidc-gen', [
      // Without the slash at the end, as people type it.
      ...[`--iss=${origin}${settings().issuerPath.replace(/\/$/, '')}`, `--cp=${caPath}`],
      ...[`--pw-file=${this.passwordFile}`, '--prompt=none', '--confirm-default'],
      ...options,
      name,
    ])
  }

  /** Runs {@link gen}, which must succeed. Returns its stderr. */
  async login(name: string, ...options: readonly string[]): Promise<string> {
    const finished = await this.gen(name, ...options)
    expect(finished.status, shown(finished)).toBe(0)
    expect(finished.stdout).toContain('Everything setup correctly!')
    return finished.stderr
  }

  /** Runs `oidc-token`, which must succeed without any message. Returns the token. */
  async token(...args: readonly string[]): Promise<string> {
    const finished = await this.run('oidc-token', ...args)
    expect({ status: finished.status, stderr: finished.stderr }).toEqual({ status: 0, stderr: '' })
    expect(finished.stdout).toMatch(/^[\w.-]+\n$/)
    return finished.stdout.trim()
  }

  /** The claims of a {@link token}. */
  async claims(...args: readonly string[]): Promise<JWTPayload> {
    return decodeJwt(await this.token(...args))
  }

  /** Runs `oidc-token`, which must fail. Returns its stderr. */
  async tokenError(...args: readonly string[]): Promise<string> {
    const finished = await this.run('oidc-token', ...args)
    expect({ status: finished.status, stdout: finished.stdout }, shown(finished)).toEqual({
      status: 1,
      stdout: '',
    })
    return finished.stderr
  }

  /** Writes an entry for the provider into issuer.config. */
  async knownIssuer(entry: Readonly<Record<string, unknown>>): Promise<void> {
    const entries = [{ issuer: this.issuer.issuer, ...entry }]
    await this.sandbox.file('home/.config/oidc-agent/issuer.config', JSON.stringify(entries))
  }

  /** The decrypted account file. */
  async account(name: string): Promise<Record<string, unknown>> {
    const args = [`--pw-file=${this.passwordFile}`, '-p', name]
    const printed = outputOf(await this.sandbox.run('oidc-gen', args))
    return JSON.parse(printed) as Record<string, unknown>
  }

  async log(): Promise<string> {
    return readFile(this.#log, 'utf8')
  }

  /** Checks that no secret is in an output or in the agent's log, except a token on the stdout of oidc-token. */
  async checkSecrecy(): Promise<void> {
    const tokens = this.#finished
      .filter(({ line }) => line.startsWith('oidc-token'))
      .map(({ stdout }) => stdout.trim())
    const secrets = [...new Set([PASSWORD, ...tokens, ...this.#secretsSent()])].filter(
      (secret) => secret.length > 7,
    )
    const texts = this.#finished.map((finished) =>
      finished.line.startsWith('oidc-token')
        ? finished.stderr
        : `${finished.stdout}\n${finished.stderr}`,
    )
    texts.push(await this.log())
    for (const text of texts) {
      expect(secrets.filter((secret) => text.includes(secret))).toEqual([])
    }
  }

  /** The secrets in the requests to the provider. */
  #secretsSent(): readonly string[] {
    return this.issuer.requests.flatMap(({ form, headers }) => {
      const [scheme, proof = ''] = (headers['authorization'] ?? '').split(' ')
      const basic = Buffer.from(proof, 'base64').toString().split(':')[1]
      return [
        ...['refresh_token', 'client_secret', 'device_code', 'password', 'subject_token'].map(
          (field) => form[field] ?? '',
        ),
        form['client_assertion'] ?? '',
        scheme === 'Basic' ? (basic ?? '') : proof,
      ]
    })
  }

  async #kept({ finished }: Started): Promise<Finished> {
    const end = await finished
    this.#finished.push(end)
    return end
  }
}
