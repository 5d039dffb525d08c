import { Agent, fetch } from 'undici'
import { newFileKey, sealAccountFile } from '../../protocol/storage/account-file.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { approveDevice } from './approve.ts'
import type { Sandbox } from './sandbox.ts'
import type { WlcgProvider } from './wlcg-provider.ts'

export const PASSWORD = 'correct horse battery staple'
export const SCOPE =
  'openid offline_access profile wlcg wlcg.groups compute.read compute.create storage.read:/'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** An account with a login of its own at `provider`, as its file's JSON. */
export async function newAccount(provider: WlcgProvider, name: string): Promise<JsonObject> {
  const login = await logIn(provider)
  return {
    name,
    client_name: `oidc-agent:${name}-test`,
    // As the C tools write it, which append to it.
    issuer_url: provider.issuer.replace(/\/?$/, '/'),
    config_endpoint: '',
    device_authorization_endpoint: '',
    daeSetByUser: 0,
    ...login,
    cert_path: provider.caPath,
    scope: SCOPE,
    auth_scope: SCOPE,
    refresh_scope: '',
    audience: '',
    oauth: 0,
    uses_pub_client: 0,
    redirect_uris: [],
    username: '',
    password: '',
  }
}

/** Puts an account that has logged in into the sandbox's config directory, locked with {@link PASSWORD}. */
export async function seedAccount(
  sandbox: Sandbox,
  provider: WlcgProvider,
  name: string,
): Promise<JsonObject> {
  const fields = await newAccount(provider, name)
  const text = await sealAccountFile(fields, await newFileKey(PASSWORD))
  await sandbox.file(`home/.config/oidc-agent/${name}`, text)
  return fields
}

/** Registers a client and goes through the device flow, over plain HTTP: what oidc-gen does, in less time. */
async function logIn(provider: WlcgProvider): Promise<JsonObject> {
  const agent = new Agent({ connect: { ca: provider.caPem } })
  const post = async (
    path: string,
    body: URLSearchParams | string,
    headers: Record<string, string>,
  ): Promise<Record<string, string>> => {
    const request = { method: 'POST', body, headers, dispatcher: agent }
    const response = await fetch(new URL(path, provider.issuer), request)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Record<string, string>
  }
  try {
    const json = { 'content-type': 'application/json' }
    const client = await post('/reg', JSON.stringify(registration), json)
    const { client_id = '', client_secret = '' } = client
    const basic = Buffer.from(`${client_id}:${client_secret}`).toString('base64')
    const form = (path: string, fields: Record<string, string>): Promise<Record<string, string>> =>
      post(path, new URLSearchParams({ client_id, ...fields }), { authorization: `Basic ${basic}` })

    const started = await form('/device/auth', { scope: SCOPE })
    const { verification_uri_complete: verificationUri = '', device_code = '' } = started
    await approveDevice({ verificationUri, caPem: provider.caPem })
    const tokens = await form('/token', { grant_type: DEVICE_GRANT, device_code })
    return { client_id, client_secret, refresh_token: tokens['refresh_token'] ?? '' }
  } finally {
    await agent.close()
  }
}

const registration = {
  client_name: 'oidc-agent:test',
  scope: SCOPE,
  grant_types: ['refresh_token', DEVICE_GRANT],
  response_types: [],
  redirect_uris: [],
  token_endpoint_auth_method: 'client_secret_basic',
}
