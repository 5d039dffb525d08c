import { chmod, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
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
