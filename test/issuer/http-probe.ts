import { Agent, fetch } from 'undici'
import type { EndpointName } from './behaviour.ts'
import { DEVICE_GRANT } from './grant-types.ts'
import { objectIn } from './received-request.ts'
import type { Fields } from './response.ts'
import type { Issuer } from './start-issuer.ts'
import type { KnownClient } from './store.ts'

/** An answer as it arrived. */
export interface ProbeResponse {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The members of the JSON object it was, if it was one. */
  readonly json: Fields
}

type Headers = Awaited<ReturnType<typeof fetch>>['headers']
type Form = Readonly<Record<string, string>> | [name: string, value: string][]

/** What asks a provider in its own tests: plain HTTPS, no library that knows OpenID. */
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

  register(wish: Fields, token?: string): Promise<ProbeResponse> {
    return this.ask(this.#issuer.url('registration'), {
      method: 'POST',
      body: JSON.stringify(wish),
      headers: { 'content-type': 'application/json', ...bearer(token) },
    })
  }

  /** Refreshes as a client that posts its secret. */
  refresh(
    client: KnownClient,
    token: unknown,
    wish: Readonly<Record<string, string>> = {},
  ): Promise<ProbeResponse> {
    return this.post('token', {
      grant_type: 'refresh_token',
      refresh_token: String(token),
      ...credentialsOf(client),
      ...wish,
    })
  }

  poll(client: KnownClient, deviceCode: unknown): Promise<ProbeResponse> {
    return this.post('token', {
      grant_type: DEVICE_GRANT,
      device_code: String(deviceCode),
      ...credentialsOf(client),
    })
  }

  /** The first tokens of a client, by the device flow, with a person who approves. */
  async login(client: KnownClient, wish: Readonly<Record<string, string>> = {}): Promise<Fields> {
    const started = await this.post('device', { ...credentialsOf(client), ...wish })
    this.#issuer.approve(String(started.json['user_code']))
    const { json } = await this.poll(client, started.json['device_code'])
    return json
  }

  async isActive(client: KnownClient, token: unknown): Promise<unknown> {
    const asked = { token: String(token), ...credentialsOf(client) }
    return (await this.post('introspection', asked)).json['active']
  }

  close(): Promise<void> {
    return this.#agent.close()
  }
}

/** What a client posts to say who it is. */
export function credentialsOf({ id, secret }: KnownClient): Record<string, string> {
  return { client_id: id, ...(secret === undefined ? {} : { client_secret: secret }) }
}

/** An Authorization header (RFC 6750 §2.1), or nothing. */
export function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}
