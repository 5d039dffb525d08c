import { Agent, fetch } from 'undici'
import { objectIn } from './requests.ts'
import type { Fields } from './response.ts'
import { DEVICE_GRANT, type EndpointName } from './settings.ts'
import type { Issuer } from './start-issuer.ts'
import type { KnownClient } from './store.ts'

/** A response, received completely. */
export interface ProbeResponse {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The members of the JSON object in the body; empty if it is anything else. */
  readonly json: Fields
}

type Headers = Awaited<ReturnType<typeof fetch>>['headers']
type Form = Readonly<Record<string, string>> | [name: string, value: string][]

/** The client of the provider's own tests: plain HTTPS, without an OpenID library. */
export class HttpProbe {
  readonly #issuer: Issuer
  readonly #agent: Agent

  constructor(issuer: Issuer) {
    this.#issuer = issuer
    this.#agent = new Agent({ connect: { ca: issuer.caPem } })
  }

  async ask(
    url: string,
    init: { method?: string; body?: string; headers?: Readonly<Record<string, string>> } = {},
  ): Promise<ProbeResponse> {
    const response = await fetch(url, { ...init, dispatcher: this.#agent, redirect: 'manual' })
    const text = await response.text()
    const { status, headers } = response
    return { status, headers, text, json: objectIn(text) ?? {} }
  }

  post(
    endpoint: EndpointName,
    form: Form,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ProbeResponse> {
    return this.ask(this.#issuer.url(endpoint), {
      method: 'POST',
      body: new URLSearchParams(form).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
  }

  register(metadata: Fields, token?: string): Promise<ProbeResponse> {
    return this.ask(this.#issuer.url('registration'), {
      method: 'POST',
      body: JSON.stringify(metadata),
      headers: { 'content-type': 'application/json', ...bearer(token) },
    })
  }

  /** Refreshes with `client_secret_post`. */
  refresh(
    client: KnownClient,
    token: unknown,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<ProbeResponse> {
    return this.post('token', {
      grant_type: 'refresh_token',
      refresh_token: String(token),
      ...credentialsOf(client),
      ...parameters,
    })
  }

  poll(client: KnownClient, deviceCode: unknown): Promise<ProbeResponse> {
    return this.post('token', {
      grant_type: DEVICE_GRANT,
      device_code: String(deviceCode),
      ...credentialsOf(client),
    })
  }

  /** The first tokens of a client, by the device flow, approved by the person. */
  async login(
    client: KnownClient,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<Fields> {
    const started = await this.post('device', { ...credentialsOf(client), ...parameters })
    this.#issuer.approve(String(started.json['user_code']))
    const { json } = await this.poll(client, started.json['device_code'])
    return json
  }

  async isActive(client: KnownClient, token: unknown): Promise<unknown> {
    const form = { token: String(token), ...credentialsOf(client) }
    return (await this.post('introspection', form)).json['active']
  }

  close(): Promise<void> {
    return this.#agent.close()
  }
}

/** The form parameters of `client_secret_post` (RFC 6749 §2.3.1). */
export function credentialsOf({ id, secret }: KnownClient): Record<string, string> {
  return { client_id: id, ...(secret === undefined ? {} : { client_secret: secret }) }
}

/** An Authorization header (RFC 6750 §2.1); empty without a token. */
export function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}
