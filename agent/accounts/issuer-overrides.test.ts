import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import type { Client, RefreshParameters, TokenResponse } from '../oauth/provider.ts'
import { clientOf } from './client-config.ts'
import { knownIssuersReader, withIssuerOverrides } from './issuer-overrides.ts'

const issuer = 'https://op.example/'

let directory: string
let warnings: string[]
let recorder: Recorder

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'issuer-overrides-'))
  warnings = []
})

afterEach(() => rm(directory, { recursive: true, force: true }))

function write(entries: unknown): Promise<void> {
  return writeFile(join(directory, 'issuer.config'), JSON.stringify(entries))
}

/** A provider that remembers the clients it was asked by. */
class Recorder extends ScriptedProvider {
  readonly clients: Client[] = []

  override refreshTokenGrant(client: Client, grant: RefreshParameters): Promise<TokenResponse> {
    this.clients.push(client)
    return super.refreshTokenGrant(client, grant)
  }
}

async function askedWith(fields: Record<string, string> = {}): Promise<unknown> {
  recorder = new Recorder()
  const log = { debug: () => undefined, warn: (line: string) => void warnings.push(line) }
  const knownIssuers = knownIssuersReader(() => directory, join(directory, 'etc'))
  const provider = withIssuerOverrides(recorder, { knownIssuers, log })
  const account = accountOf({ name: 'acc', issuer_url: issuer, ...fields })
  const grant = { refreshToken: new Secret('RT'), scope: undefined, audience: 'a' }
  await provider
    .refreshTokenGrant(clientOf(account), grant, AbortSignal.timeout(5000))
    .catch(() => undefined)
  return recorder.clients[0]?.audienceParameter
}

describe('how an audience is asked for', () => {
  test.each([
    [true, 'audience'],
    [false, 'resource'],
    [undefined, undefined],
  ])('legacy_aud_mode %s: %s', async (legacy_aud_mode, expected) => {
    await write([{ issuer: 'https://op.example', legacy_aud_mode }])
    expect(await askedWith()).toBe(expected)
  })

  test('the account wins over the issuer files', async () => {
    await write([{ issuer, legacy_aud_mode: true }])
    expect(await askedWith({ audience_parameter: 'resource' })).toBe('resource')
    expect(await askedWith({ audience_parameter: 'nonsense' })).toBe('audience')
  })

  test.each(['audience', 'resource', 'both', 'scope'])('audience_parameter %s', async (word) => {
    await write([{ issuer, audience_parameter: word, legacy_aud_mode: false }])
    expect(await askedWith()).toBe(word)
  })

  test('a file that cannot be read is said and is no reason for no token', async () => {
    await writeFile(join(directory, 'issuer.config'), '[{"issuer":')
    expect(await askedWith()).toBeUndefined()
    expect(warnings.join()).toContain('issuer.config is not valid JSON')
  })
})

describe('which product a provider is', () => {
  async function profile(provider: string): Promise<unknown> {
    await write([{ issuer, provider }])
    await askedWith()
    return recorder.clients[0]?.provider.profile
  }

  test('is as the issuer files say', async () => {
    expect(await profile('iam')).toBe('iam')
    expect(await profile('conforming')).toBe('conforming')
    expect(warnings).toEqual([])
  })

  test('is left to what can be seen where they say what nobody knows', async () => {
    expect(await profile('dex')).toBeUndefined()
    expect(warnings.join()).toContain("is 'dex', which is not known here")
  })
})

test('the issuer files are read again when one has changed, and only then', async () => {
  const read = knownIssuersReader(() => directory, join(directory, 'etc'))
  const first = await read()
  expect(first).toEqual([])
  expect(await read()).toBe(first)

  await write([{ issuer, accounts: ['one'] }])
  const second = await read()
  expect(second).toMatchObject([{ accounts: ['one'] }])
  expect(await read()).toBe(second)

  // Same size and inode: the time tells.
  await write([{ issuer, accounts: ['two'] }])
  const later = new Date(Date.now() + 10_000)
  await utimes(join(directory, 'issuer.config'), later, later)
  expect(await read()).toMatchObject([{ accounts: ['two'] }])

  await mkdir(join(directory, 'issuer.config.d'))
  await writeFile(join(directory, 'issuer.config.d', 'more'), '{"issuer":"https://more.example"}')
  expect(await read()).toHaveLength(2)
})
