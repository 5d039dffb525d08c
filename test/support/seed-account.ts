import { Agent, fetch } from 'undici'
import { callAgent } from '../../protocol/client/call.ts'
import { type FileKey, newFileKey, sealAccountFile } from '../../protocol/storage/account-file.ts'
import type { AccessTokenReply, JsonObject } from '../../protocol/wire/messages.ts'
import { encodeBase64 } from '../../protocol/wire/text.ts'
import { approveDevice } from './approve.ts'
import { outputOf } from './command.ts'
import type { Sandbox, SandboxAgent } from './sandbox.ts'
import type { WlcgProvider } from './wlcg-provider.ts'

export const PASSWORD = 'correct horse battery staple'
export const SCOPE =
  'openid offline_access profile wlcg wlcg.groups compute.read compute.create storage.read:/'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** The account JSON of a new login at `provider`. */
export async function newAccount(provider: WlcgProvider, name: string): Promise<JsonObject> {
  const login = await logIn(provider)
  return {
    name,
    client_name: `oidc-agent:${name}-test`,
    // The C tools write it with a slash, because they append to it.
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

/** Writes the file of a new login into the sandbox's config directory, encrypted with {@link PASSWORD}. */
export async function seedAccount(
  sandbox: Sandbox,
  provider: WlcgProvider,
  name: string,
): Promise<JsonObject> {
  const fields = await newAccount(provider, name)
  const text = await sealAccountFile(fields, await fileKey())
  await sandbox.file(`home/.config/oidc-agent/${name}`, text)
  return fields
}

let derived: Promise<FileKey> | undefined

/** What {@link PASSWORD} becomes: derived once, since each derivation takes a fifth of a second. */
export function fileKey(): Promise<FileKey> {
  derived ??= newFileKey(PASSWORD)
  return derived
}

/** Registers a client and runs the device flow without oidc-gen, which takes longer. */
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

/** Runs `oidc-add` for an account of {@link seedAccount}. */
export async function addAccount(
  sandbox: Sandbox,
  name: string,
  options: readonly string[] = [],
): Promise<void> {
  const env = { OIDC_ENCRYPTION_PW: PASSWORD }
  outputOf(await sandbox.run('oidc-add', ['--pw-env', ...options, name], { env }))
}

/** Loads an account of {@link seedAccount} as `oidc-add` does, without its process and its derivation. */
async function loadAccount({ socketPath }: SandboxAgent, config: JsonObject): Promise<void> {
  const { salt, bytes } = await fileKey()
  const file_key = { salt: encodeBase64(salt), key: encodeBase64(bytes) }
  await callAgent({ kind: 'unix', path: socketPath }, { request: 'add', config, file_key })
}

/** Starts an agent with one loaded account. Returns the account JSON too. */
export async function startLoaded(
  sandbox: Sandbox,
  provider: WlcgProvider,
  name = 'wlcg',
): Promise<{ agent: SandboxAgent; account: JsonObject }> {
  const account = await seedAccount(sandbox, provider, name)
  const agent = await sandbox.startAgent()
  await loadAccount(agent, account)
  return { agent, account }
}

interface TokenOptions {
  readonly account?: string
  readonly audience?: string
  readonly scope?: string
  readonly force?: boolean
}

/** Requests a token from an agent over its socket, as a library in another program does. */
export function tokenFrom(
  { socketPath }: SandboxAgent,
  { account = 'wlcg', audience, scope, force = false }: TokenOptions = {},
): Promise<AccessTokenReply> {
  return callAgent(
    { kind: 'unix', path: socketPath },
    {
      request: 'access_token',
      account,
      ...(audience === undefined ? {} : { audience }),
      ...(scope === undefined ? {} : { scope }),
      ...(force ? { min_valid_period: -1 } : {}),
    },
  )
}
