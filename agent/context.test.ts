import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ProviderConfig } from '../protocol/storage/account.ts'
import { deriveKey } from '../protocol/storage/account-file.ts'
import { defaultAgentOptions } from '../protocol/wire/agent-options.ts'
import type { JsonObject, Reply, Request } from '../protocol/wire/messages.ts'
import { ScriptedProvider } from '../test/support/scripted-provider.ts'
import { type AgentContext, createAgent } from './context.ts'
import { dispatch } from './dispatch.ts'
import { silentLog } from './log.ts'
import { shutDown } from './shutdown.ts'

const issuer = 'https://op.example/'
const config: JsonObject = {
  name: 'acc',
  issuer_url: issuer,
  client_id: 'id',
  refresh_token: 'rt-0',
  username: 'alice',
  password: 'wonderland',
  auth_scope: 'openid',
  subject_token_env: 'CI_TOKEN',
  redirect_uris: ['edu.kit.data.oidc-agent:/redirect'],
}

let home: string
let provider: ScriptedProvider
let agent: AgentContext

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'context-'))
  writeFileSync(
    join(home, 'issuer.config'),
    JSON.stringify([{ issuer, provider: 'keycloak', audience_parameter: 'both' }]),
  )
  provider = new ScriptedProvider()
  provider.hasDeviceFlow = true
  agent = createAgent({
    options: defaultAgentOptions,
    runtime: { now: Date.now, random: () => 0.5 },
    log: silentLog,
    provider,
    derive: deriveKey,
    configDirectory: () => Promise.resolve(home),
    env: { CI_TOKEN: 'subject.token' },
  })
})

afterEach(async () => {
  await shutDown(agent)
  rmSync(home, { recursive: true })
})

function ask(request: Request): Promise<Reply> {
  return dispatch(request, { role: 'owner' }, agent, new AbortController().signal)
}

const login =
  (flow: string): (() => Promise<unknown>) =>
  () =>
    ask({ request: 'gen', config, flow: [flow] })

test.each<[string, () => Promise<unknown>]>([
  ['refreshTokenGrant', login('refresh')],
  ['passwordGrant', login('password')],
  ['clientCredentialsGrant', login('client_credentials')],
  ['tokenExchange', login('token-exchange')],
  ['deviceAuthorization', login('device')],
  [
    'deviceAccessToken',
    async () => {
      await login('device')()
      await ask({ request: 'device', oidc_device: { device_code: 'device code' } })
    },
  ],
  ['authorizationUrl', login('code')],
  [
    'authorizationCodeGrant',
    async () => {
      const reply = await ask({ request: 'gen', config, flow: ['code'] })
      const state = 'state' in reply ? reply.state : ''
      const query = new URLSearchParams({ code: 'c', state })
      await ask({ request: 'code_exchange', redirect_uri: `x:/redirect?${query.toString()}` })
    },
  ],
  ['revokeToken', () => ask({ request: 'delete', config })],
])('%s is called with profile and audience parameter of issuer.config', async (method, call) => {
  await call()
  expect(provider.clients.get(method)).toMatchObject({
    provider: { issuer, profile: 'keycloak' },
    audienceParameter: 'both',
  })
})

test.each<[string, Request]>([
  ['discover', { request: 'add', config }],
  ['discover', { request: 'scopes', issuer }],
  ['register', { request: 'register', config, flow: ['device'] }],
])('%s is called with the profile of issuer.config for %j', async (method, request) => {
  await ask(request)
  expect(provider.providers.get(method)).toMatchObject<ProviderConfig>({
    issuer,
    configEndpoint: undefined,
    certPath: undefined,
    profile: 'keycloak',
  })
})
