import { chmod, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { silentLog } from '../log.ts'
import { ClientConfigs, knownIssuersReader } from './client-config.ts'

const issuer = 'https://op.example/'

let directory: string
let warnings: string[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'client-config-'))
  warnings = []
})

afterEach(() => rm(directory, { recursive: true, force: true }))

function write(entries: unknown): Promise<void> {
  return writeFile(join(directory, 'issuer.config'), JSON.stringify(entries))
}

function configs(): ClientConfigs {
  return new ClientConfigs({
    knownIssuers: knownIssuersReader(() => Promise.resolve(directory), join(directory, 'etc')),
    log: { ...silentLog, warn: (line: string) => void warnings.push(line) },
  })
}

describe('the audience parameter of a client', () => {
  async function audienceParameter(fields: Record<string, string> = {}): Promise<unknown> {
    const account = accountOf({ name: 'acc', issuer_url: issuer, ...fields })
    return (await configs().clientOf(account)).audienceParameter
  }

  test.each([
    [true, 'audience'],
    [false, 'resource'],
    [undefined, undefined],
  ])('legacy_aud_mode %s in issuer.config means %s', async (legacy_aud_mode, expected) => {
    await write([{ issuer: 'https://op.example', legacy_aud_mode }])
    expect(await audienceParameter()).toBe(expected)
  })

  test('the audience parameter of the account wins over that of issuer.config', async () => {
    await write([{ issuer, legacy_aud_mode: true }])
    expect(await audienceParameter({ audience_parameter: 'resource' })).toBe('resource')
    expect(await audienceParameter({ audience_parameter: 'nonsense' })).toBe('audience')
  })

  test.each(['audience', 'resource', 'both', 'scope'])(
    'audience_parameter %s in issuer.config is used',
    async (word) => {
      await write([{ issuer, audience_parameter: word, legacy_aud_mode: false }])
      expect(await audienceParameter()).toBe(word)
    },
  )

  test('an unreadable issuer.config is logged, and the client has no override', async () => {
    await writeFile(join(directory, 'issuer.config'), '[{"issuer":')
    expect(await audienceParameter()).toBeUndefined()
    expect(warnings.join()).toContain('issuer.config is not valid JSON')
  })
})

describe('the profile of a provider', () => {
  async function profile(provider: string): Promise<unknown> {
    await write([{ issuer, provider }])
    const account = accountOf({ name: 'acc', issuer_url: issuer })
    const { profile: ofProvider } = await configs().providerOf(account)
    expect((await configs().clientOf(account)).provider.profile).toBe(ofProvider)
    return ofProvider
  }

  test('the profile in issuer.config is used', async () => {
    expect(await profile('iam')).toBe('iam')
    expect(await profile('generic')).toBe('generic')
    expect(await profile('conforming')).toBe('generic')
    expect(warnings).toEqual([])
  })

  test('an unknown profile in issuer.config is logged and left to detection', async () => {
    expect(await profile('dex')).toBeUndefined()
    expect(warnings.join()).toContain("unknown provider 'dex' for https://op.example/")
  })
})

test.each<[Record<string, string>, unknown]>([
  [{ token_endpoint_auth_method: 'none' }, { kind: 'none' }],
  [{ token_endpoint_auth_method: 'client_secret_basic' }, { kind: 'basic' }],
  [{ token_endpoint_auth_method: 'client_secret_post' }, { kind: 'post' }],
  [
    { token_endpoint_auth_method: 'private_key_jwt', private_key_file: '/key.pem' },
    { kind: 'private_key_jwt', keyFile: '/key.pem' },
  ],
  [{ token_endpoint_auth_method: 'tls_client_auth' }, { kind: 'automatic' }],
])('a client with %j authenticates by %j', async (fields, authentication) => {
  const account = accountOf({ name: 'acc', issuer_url: issuer, ...fields })
  expect((await configs().clientOf(account)).authentication).toEqual(authentication)
})

test.each<[JsonObject, boolean]>([
  [{}, true],
  [{ client_secret: 's' }, false],
  [{ private_key_file: '/key.pem' }, false],
  [{ client_secret: 's', private_key_file: '/key.pem' }, false],
  [{ client_secret: 's', uses_pub_client: 1 }, true],
])('whether a client with %j is public: %j', async (fields, isPublic) => {
  const account = accountOf({ name: 'acc', issuer_url: issuer, ...fields })
  expect((await configs().clientOf(account)).isPublic).toBe(isPublic)
})

test('a client has the members of its account', async () => {
  const account = accountOf({
    name: 'acc',
    issuer_url: issuer,
    config_endpoint: 'https://op.example/config',
    cert_path: '/ca.pem',
    client_id: 'id',
    client_secret: 's',
    device_authorization_endpoint: 'https://op.example/device',
    daeSetByUser: 1,
  })
  const provider = {
    issuer,
    configEndpoint: 'https://op.example/config',
    certPath: '/ca.pem',
    profile: undefined,
  }
  expect(await configs().clientOf(account)).toStrictEqual({
    provider,
    id: 'id',
    secret: account.clientSecret,
    isPublic: false,
    deviceAuthorizationEndpoint: 'https://op.example/device',
    audienceParameter: undefined,
    authentication: { kind: 'automatic' },
  })
  expect(await configs().providerOf(account)).toStrictEqual(provider)
})

test('an error that is not about the issuer files is passed on', async () => {
  const error = new TypeError('a fault of ours')
  const broken = new ClientConfigs({
    knownIssuers: () => Promise.reject(error),
    log: { ...silentLog, warn: (line: string) => void warnings.push(line) },
  })
  await expect(broken.providerOf(accountOf({ name: 'acc', issuer_url: issuer }))).rejects.toBe(
    error,
  )
  expect(warnings).toEqual([])
})

test('an issuer without a provider in issuer.config is not warned about', async () => {
  await write([{ issuer, accounts: ['acc'] }])
  const { profile } = await configs().providerOf(accountOf({ name: 'acc', issuer_url: issuer }))
  expect(profile).toBeUndefined()
  expect(warnings).toEqual([])
})

test('a client without a configured method and without key file authenticates automatically', async () => {
  const kind = async (fields: Record<string, string>): Promise<unknown> =>
    (await configs().clientOf(accountOf({ name: 'acc', issuer_url: issuer, ...fields })))
      .authentication
  expect(await kind({})).toEqual({ kind: 'automatic' })
  expect(await kind({ token_endpoint_auth_method: 'private_key_jwt' })).toEqual({
    kind: 'automatic',
  })
})

test('the issuer files are read again when one has changed, and only then', async () => {
  const read = knownIssuersReader(() => Promise.resolve(directory), join(directory, 'etc'))
  const first = await read()
  expect(first).toEqual([])
  expect(await read()).toBe(first)

  await write([{ issuer, accounts: ['one'] }])
  const second = await read()
  expect(second).toMatchObject([{ accounts: ['one'] }])
  expect(await read()).toBe(second)

  // Size and inode are the same: only the time differs.
  await write([{ issuer, accounts: ['two'] }])
  const later = new Date(Date.now() + 10_000)
  await utimes(join(directory, 'issuer.config'), later, later)
  expect(await read()).toMatchObject([{ accounts: ['two'] }])

  await mkdir(join(directory, 'issuer.config.d'))
  await writeFile(join(directory, 'issuer.config.d', 'more'), '{"issuer":"https://more.example"}')
  expect(await read()).toHaveLength(2)
})

test('an issuer file that others could have written is not believed, also if only its mode has changed', async () => {
  const read = knownIssuersReader(() => Promise.resolve(directory), join(directory, 'etc'))
  await write([{ issuer, accounts: ['one'] }])
  expect(await read()).toHaveLength(1)
  for (const path of [join(directory, 'issuer.config'), directory]) {
    await chmod(path, 0o777)
    await expect(read()).rejects.toThrow('others can write to it')
    await chmod(path, 0o700)
    expect(await read()).toHaveLength(1)
  }
})
