import { sealAccountFile } from '../../protocol/storage/account-file.ts'
import { HttpProbe } from '../issuer/http-probe.ts'
import { type Issuer, type IssuerOptions, startIssuer } from '../issuer/start-issuer.ts'
import type { KnownClient } from '../issuer/store.ts'
import { Sandbox } from '../support/sandbox.ts'
import { fileKey } from '../support/seed-account.ts'

const SCOPE = 'openid offline_access'

/** A home with account files, and the provider of their logins. */
export class Logins {
  readonly sandbox: Sandbox
  readonly issuer: Issuer
  readonly #client: KnownClient
  readonly #probe: HttpProbe

  private constructor(sandbox: Sandbox, issuer: Issuer) {
    this.sandbox = sandbox
    this.issuer = issuer
    this.#client = issuer.addClient()
    this.#probe = new HttpProbe(issuer)
  }

  /** By default at a provider that rotates refresh tokens and revokes the login if one is used twice. */
  static async open(options: IssuerOptions = { mode: 'rotating' }): Promise<Logins> {
    // The attacks post the client's secret, the C agent sends it in a header.
    const settings = { ...options.settings, onlyRegisteredAuthMethod: false }
    return new Logins(await Sandbox.create(), await startIssuer({ ...options, settings }))
  }

  /** Logs in and writes the account file; a login that was there before is replaced. */
  async write(name: string): Promise<void> {
    const { id, secret } = this.#client
    const { refresh_token } = await this.#probe.login(this.#client, { scope: SCOPE })
    if (typeof refresh_token !== 'string') throw new Error('no refresh token at the login')
    const account = {
      name,
      client_name: `oidc-agent:${name}`,
      issuer_url: this.issuer.issuer.replace(/\/?$/, '/'),
      config_endpoint: '',
      device_authorization_endpoint: '',
      daeSetByUser: 0,
      client_id: id,
      client_secret: secret ?? '',
      refresh_token,
      cert_path: this.issuer.caPath,
      scope: SCOPE,
      audience: '',
      redirect_uris: [],
      username: '',
      password: '',
    }
    await this.sandbox.file(
      `home/.config/oidc-agent/${name}`,
      await sealAccountFile(account, await fileKey()),
    )
  }

  async close(): Promise<void> {
    await this.sandbox.close()
    await this.#probe.close()
    await this.issuer.close()
  }
}
