import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type DeriveKey,
  openAccountFile,
  sealAccountFile,
} from '../../protocol/storage/account-file.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import {
  type AgentUnderTest,
  inProcess,
  overPlainSocket,
  overSealedSocket,
  type StartAgent,
} from './agents.ts'

const config: JsonObject = {
  name: 'wlcg',
  issuer_url: 'https://op.example/',
  client_id: 'id',
  client_secret: 'client secret',
  refresh_token: 'rt-0',
}

// The lock's behaviour is the same with any derivation; Argon2id has its own tests and takes 0.2 s a time.
const quickDerive: DeriveKey = (password, salt) =>
  Promise.resolve(createHash('sha512').update(password).update(salt).digest())

describe.each<[string, StartAgent]>([
  ['in process', inProcess],
  ['over the socket, plain', overPlainSocket],
  ['over the socket, sealed', overSealedSocket],
])('the agent %s', (_, start) => {
  let agent: AgentUnderTest

  beforeEach(async () => {
    agent = await start({}, quickDerive)
  })
  afterEach(() => agent.close())

  const load = (more: object = {}): Promise<unknown> =>
    agent.call({ request: 'add', config, ...more })

  test('the agent answers a check request', async () => {
    expect(await agent.call({ request: 'check' })).toEqual({ status: 'success' })
  })

  test('an account is loaded, listed and removed', async () => {
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: [] })
    expect(await load()).toEqual({ status: 'success' })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: ['wlcg'] })
    await agent.call({ request: 'remove', account: 'wlcg' })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: [] })
    await expect(agent.call({ request: 'remove', account: 'wlcg' })).rejects.toMatchObject({
      message: 'account not loaded',
    })
  })

  test('an account is tested when it is loaded, and not loaded if the provider refuses it', async () => {
    agent.provider.valid = 'another'
    await expect(load()).rejects.toMatchObject({ code: 'refresh-token-dead' })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: [] })
    expect(await load({ plain_add: true })).toEqual({ status: 'success' })
  })

  test('loading an account again changes its lifetime, not its login', async () => {
    await load()
    const again = await agent.call({ request: 'add', config, lifetime: 500 })
    expect(again.info).toBe('account already loaded. Lifetime set to 500 seconds')
    expect(agent.provider.refreshes).toHaveLength(1)
  })

  test('a token is requested by account or by issuer, with or without its final slash', async () => {
    await load()
    const byName = await agent.call({ request: 'access_token', account: 'wlcg' })
    expect(byName).toMatchObject({ status: 'success', issuer: 'https://published.example/' })
    for (const issuer of [
      'https://op.example',
      'https://op.example/',
      'https://published.example',
    ]) {
      const token = await agent.call({ request: 'access_token', issuer })
      expect(token.access_token).toBe(byName.access_token)
    }
  })

  test('of several accounts of an issuer the last one loaded gives the token', async () => {
    await load()
    await agent.call({
      request: 'add',
      config: { ...config, name: 'other', refresh_token: 'rt-x' },
    })
    agent.provider.refreshes.length = 0
    await agent.call({ request: 'access_token', issuer: 'https://op.example', scope: 'a' })
    expect(agent.provider.refreshes).toEqual(['rt-x'])
  })

  test('a token request that finds no account fails with what is missing and the command to run', async () => {
    const failing = (request: object): Promise<unknown> =>
      agent.call({ request: 'access_token', ...request }).catch((error: unknown) => error)
    expect(await failing({})).toMatchObject({ message: 'Not yet implemented' })
    expect(await failing({ account: 'nobody' })).toMatchObject({
      message: 'No account configured with that short name',
      hint: expect.stringContaining('oidc-gen nobody') as string,
    })
    expect(await failing({ account: '../nobody' })).toMatchObject({ code: 'unknown-account' })
    const key = { salt: Buffer.alloc(16), bytes: Buffer.alloc(64) }
    await agent.directory.write('wlcg', await sealAccountFile(config, key))
    expect(await failing({ account: 'wlcg' })).toMatchObject({
      message: 'account not loaded',
      hint: expect.stringContaining('oidc-add wlcg') as string,
    })
    expect(await failing({ issuer: 'https://nobody.example' })).toMatchObject({
      message: 'account not loaded',
    })
  })

  test('rotated refresh tokens are saved with the file key that loaded the account', async () => {
    const key = { salt: Buffer.alloc(16, 3), bytes: Buffer.alloc(64, 4) }
    await agent.directory.write('wlcg', await sealAccountFile(config, key))
    agent.provider.rotates = true
    await load({
      file_key: { salt: key.salt.toString('base64'), key: key.bytes.toString('base64') },
    })
    const fields = await openAccountFile(await agent.directory.read('wlcg'), key)
    expect(fields['refresh_token']).toBe('rt-1')
  })

  test('a refresh token that rotated before the agent had the file key is saved once it has the key', async () => {
    const key = { salt: Buffer.alloc(16, 3), bytes: Buffer.alloc(64, 4) }
    agent.provider.rotates = true
    await load()
    await agent.directory.write('wlcg', await sealAccountFile(config, key))
    await load({
      plain_add: true,
      file_key: { salt: key.salt.toString('base64'), key: key.bytes.toString('base64') },
    })
    const fields = await openAccountFile(await agent.directory.read('wlcg'), key)
    expect(fields['refresh_token']).toBe('rt-1')
  })

  test('rotated refresh tokens are saved with a password of the C client, too', async () => {
    const salt = Buffer.alloc(16, 5)
    const bytes = await quickDerive('secret', salt)
    await agent.directory.write('wlcg', await sealAccountFile(config, { salt, bytes }))
    agent.provider.rotates = true
    await load({ pw_entry: { account: 'wlcg', type: 9, password: 'secret' } })
    const fields = await openAccountFile(await agent.directory.read('wlcg'), { salt, bytes })
    expect(fields['refresh_token']).toBe('rt-1')
  })

  test('a locked agent answers only check and unlock requests, and works as before when unlocked', async () => {
    await load()
    const before = await agent.call({ request: 'access_token', account: 'wlcg' })
    expect(await agent.call({ request: 'lock', password: 'pw' })).toMatchObject({
      info: 'Agent locked',
    })
    for (const request of [
      { request: 'access_token', account: 'wlcg' },
      { request: 'loaded_accounts' },
      { request: 'lock', password: 'pw' },
      { request: 'remove_all' },
      { request: 'add', config },
      { request: 'status_json' },
    ] as const) {
      await expect(agent.call(request)).rejects.toMatchObject({ message: 'Agent locked' })
    }
    await agent.call({ request: 'check' })
    await expect(agent.call({ request: 'unlock', password: 'guess' })).rejects.toMatchObject({
      message: 'wrong password',
    })
    expect(await agent.call({ request: 'unlock', password: 'pw' })).toMatchObject({
      info: 'Agent unlocked',
    })
    const after = await agent.call({ request: 'access_token', account: 'wlcg' })
    expect(after.access_token).not.toBe(before.access_token)
    await expect(agent.call({ request: 'unlock', password: 'pw' })).rejects.toMatchObject({
      message: 'Agent not locked',
    })
  })

  test('the lifetime of an account goes on while the agent is locked', async () => {
    await load({ lifetime: 1000 })
    await agent.call({ request: 'lock', password: 'pw' })
    await agent.call({ request: 'unlock', password: 'pw' })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: ['wlcg'] })
  })

  test('an ID token is issued only with permission', async () => {
    await load()
    await expect(agent.call({ request: 'id_token', account: 'wlcg' })).rejects.toMatchObject({
      message: 'operation forbidden',
      hint: expect.stringContaining('oidc-add -f --always-allow-idtoken wlcg') as string,
    })
    await agent.call({ request: 'add', config, always_allow_id_token: true })
    // Permitted now: the error is that this provider issues none.
    await expect(agent.call({ request: 'id_token', account: 'wlcg' })).rejects.toMatchObject({
      code: 'provider-answer',
    })
  })

  test('an account whose tokens need a confirmation gives no token', async () => {
    await load({ confirm: true })
    await expect(agent.call({ request: 'access_token', account: 'wlcg' })).rejects.toMatchObject({
      message: 'operation forbidden',
    })
  })

  test('the scratch store returns the oldest entry of a name, and the next one after a remove', async () => {
    const filename = '/tmp/oidc-gen:wlcg'
    await agent.call({ request: 'file_write', filename, data: 'one' })
    await agent.call({ request: 'file_write', filename, data: 'two' })
    expect(await agent.call({ request: 'file_read', filename })).toMatchObject({ data: 'one' })
    await agent.call({ request: 'file_remove', filename })
    expect(await agent.call({ request: 'file_read', filename })).toMatchObject({ data: 'two' })
    await agent.call({ request: 'file_remove', filename })
    await agent.call({ request: 'file_remove', filename })
    await expect(agent.call({ request: 'file_read', filename })).rejects.toMatchObject({
      message: 'File not found',
    })
  })

  test('a status reply has version, options and accounts', async () => {
    await load()
    const { info } = await agent.call({ request: 'status' })
    expect(info).toContain('This agent is running version 5.3.3.\n')
    expect(info).toContain('Lifetime:\t\tForever\n')
    expect(info).toContain('Currently there are 1 accounts loaded: wlcg\n')
    expect(await agent.call({ request: 'status_json' })).toEqual({
      status: 'success',
      info: {
        version: '5.3.3',
        command_line_options: '',
        loaded_accounts: ['wlcg'],
        accounts: [
          {
            name: 'wlcg',
            issuer: 'https://op.example/',
            grant: 'refresh_token',
            refresh_token_expires_at: null,
            login_expired: false,
          },
        ],
      },
    })
  })

  test('a cached token is reported with the end of its login, until a refresh succeeds again', async () => {
    await load()
    const plain = { request: 'access_token', account: 'wlcg' } as const
    const forced = { ...plain, min_valid_period: -1 }
    agent.provider.failure = new AgentError('refresh-token-dead', 'invalid_grant: over')
    await expect(agent.call(forced)).rejects.toMatchObject({ code: 'refresh-token-dead' })
    expect((await agent.call(plain)).login_expired).toBe(true)
    agent.provider.failure = undefined
    expect((await agent.call(forced)).login_expired).toBeUndefined()
  })

  test('a gen request with a refresh token loads the account and returns its configuration', async () => {
    agent.provider.rotates = true
    const reply = await agent.call({ request: 'gen', config, flow: ['refresh'] })
    expect(reply).toMatchObject({
      status: 'success',
      config: { name: 'wlcg', refresh_token: 'rt-1' },
    })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: ['wlcg'] })
  })

  test('a gen request with only_at loads nothing', async () => {
    const reply = await agent.call({ request: 'gen', config, flow: ['refresh'], only_at: true })
    expect(reply).toMatchObject({ status: 'success', access_token: 'at-1' })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: [] })
  })

  test('scopes the login was not granted are refused before the provider is asked', async () => {
    const granted = 'openid storage.read:/data compute.read'
    await load({ config: { ...config, auth_scope: granted }, plain_add: true })
    await expect(
      agent.call({ request: 'access_token', account: 'wlcg', scope: 'storage.read:/database' }),
    ).rejects.toMatchObject({
      message: `invalid_scope: the account wlcg was not granted storage.read:/database; it has ${granted}`,
    })
    expect(agent.provider.refreshes).toHaveLength(0)
    await agent.call({ request: 'access_token', account: 'wlcg', scope: 'storage.read:/data/set1' })
  })

  test('a token that differs from the request is reported, and is an error with strict', async () => {
    await load()
    agent.provider.grantedScope = 'a'
    const request = { request: 'access_token', account: 'wlcg', scope: 'a b' } as const
    expect((await agent.call(request)).info).toBe('the provider did not grant the scope b')
    await expect(agent.call({ ...request, strict: true })).rejects.toMatchObject({
      code: 'not-as-asked',
    })
  })

  test('the reply to a robot names its own scopes that a token lacks', async () => {
    const robot = { ...config, refresh_token: '', grant: 'client_credentials', auth_scope: 'x y' }
    agent.provider.grantedScope = 'x'
    const lacking = 'the provider did not grant the scope y'
    const made = await agent.call({
      request: 'gen',
      config: robot,
      flow: ['client_credentials'],
    })
    expect(made).toMatchObject({ info: lacking })
    const token = await agent.call({ request: 'access_token', account: 'wlcg' })
    expect(token.info).toBe(lacking)
  })

  test('a robot repeats its grant for each token, with its own scopes or the requested ones', async () => {
    const robot = { ...config, refresh_token: '', grant: 'client_credentials', auth_scope: 'x' }
    await agent.call({ request: 'gen', config: robot, flow: ['client_credentials'] })
    await agent.call({ request: 'access_token', account: 'wlcg', audience: 'ce' })
    await agent.call({ request: 'access_token', account: 'wlcg', scope: 'y' })
    expect(agent.provider.grants).toEqual([
      { grant: 'client_credentials', scope: 'x', audience: undefined },
      { grant: 'client_credentials', scope: 'x', audience: 'ce' },
      { grant: 'client_credentials', scope: 'y', audience: undefined },
    ])
  })

  test('a CI job exchanges the token of its platform, which is read again each time', async () => {
    const job = { ...config, refresh_token: '', grant: 'token-exchange' }
    await expect(
      agent.call({ request: 'gen', config: job, flow: ['token-exchange'] }),
    ).rejects.toMatchObject({ code: 'no-subject-token' })
    const named = { ...job, subject_token_env: 'CI_TOKEN' }
    await agent.call({ request: 'gen', config: named, flow: ['token-exchange'] })
    expect(agent.provider.grants).toMatchObject([
      { grant: 'token-exchange', subjectToken: 'platform.token' },
    ])
    await expect(
      agent.call({ request: 'add', config: { ...job, name: 'f', subject_token_file: '/nowhere' } }),
    ).rejects.toMatchObject({ message: expect.stringContaining('/nowhere') as string })
  })

  test('a login by password does not keep the password', async () => {
    const reply = await agent.call({
      request: 'gen',
      config: { ...config, username: 'alice', password: 'secret' },
      flow: ['password'],
    })
    expect(reply).toMatchObject({ config: { username: '', password: '' } })
    await expect(agent.call({ request: 'gen', config, flow: ['password'] })).rejects.toMatchObject({
      message: 'Bad credentials',
    })
  })

  test('a gen request with an unknown flow is refused', async () => {
    await expect(agent.call({ request: 'gen', config, flow: ['bogus'] })).rejects.toMatchObject({
      message: "Unknown flow 'bogus'",
    })
  })

  test('an unknown device code is refused as wrong', async () => {
    const oidc_device = { device_code: 'never seen' }
    await expect(agent.call({ request: 'device', oidc_device })).rejects.toMatchObject({
      message: 'wrong device code',
    })
  })

  test('deleting an account unloads it', async () => {
    await load()
    await agent.call({ request: 'delete', config })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: [] })
  })

  test('a request that waits for its provider delays no other request', async () => {
    await load()
    await agent.call({ request: 'access_token', account: 'wlcg' })
    const release = agent.provider.hold()
    const slow = agent.call({ request: 'access_token', account: 'wlcg', scope: 'slow' })
    for (let time = 0; time < 20; time += 1) {
      await agent.call({ request: 'access_token', account: 'wlcg' })
      await agent.call({ request: 'loaded_accounts' })
    }
    release()
    expect((await slow).status).toBe('success')
  })

  test('a failure of the provider is reported with its hint, and the next request works', async () => {
    await load()
    agent.provider.failure = new AgentError('network', 'could not connect to url: op.example', {
      hint: 'Try again.',
    })
    await expect(
      agent.call({ request: 'access_token', account: 'wlcg', scope: 'a' }),
    ).rejects.toMatchObject({ code: 'network', hint: 'Try again.' })
    agent.provider.failure = undefined
    await agent.call({ request: 'access_token', account: 'wlcg', scope: 'a' })
  })
})
