import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { deriveKey } from '../../protocol/storage/account-file.ts'
import { type AgentOptions, defaultAgentOptions } from '../../protocol/wire/agent-options.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { Reply, Request } from '../../protocol/wire/messages.ts'
import { endProcess } from '../../test/support/process-table.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import type { AgentContext } from '../context.ts'
import { createAgent } from '../context.ts'
import { dispatch } from '../dispatch.ts'
import { silentLog } from '../log.ts'

const START = 1_800_000_000_000
const patient = new AbortController().signal

let home: string
let path: string
let provider: ScriptedProvider
let context: AgentContext

beforeEach(() => {
  // What the disk does goes on in real time.
  vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  home = mkdtempSync(join(tmpdir(), 'kept-files-'))
  mkdirSync(join(home, 'config'))
  path = join(home, 'bt_u0')
  provider = new ScriptedProvider()
  provider.lifetime = 600
  context = compose()
  load()
})

afterEach(async () => {
  await context.tokenFiles.close()
  context.tokens.close()
  vi.useRealTimers()
  rmSync(home, { recursive: true })
})

function compose(options: Partial<AgentOptions> = {}): AgentContext {
  return createAgent({
    options: { ...defaultAgentOptions, ...options },
    runtime: { now: () => Date.now(), random: () => 0.5 },
    log: silentLog,
    provider,
    derive: deriveKey,
    env: {},
    configDirectory: () => join(home, 'config'),
  })
}

function load(options: { readonly confirm?: boolean } = {}): void {
  const fields = { name: 'wlcg', issuer_url: 'https://op.example/', client_id: 'id' }
  const account = accountOf({ ...fields, refresh_token: 'rt-0' })
  context.keyring.add(new LoadedAccount(account, options), 0)
}

function ask(request: Request): Promise<Reply> {
  return dispatch(request, { role: 'owner' }, context, patient)
}

/** Asks for the file to be kept; it is there then. */
async function keep(more: object = {}): Promise<void> {
  const reply = await ask({ request: 'token_file', account: 'wlcg', path, ...more })
  expect(reply).toMatchObject({ status: 'success', path })
}

/** Lets time pass until something is so; gives the seconds it took, none of them skipped. */
async function secondsUntil(isSo: () => boolean, most = 3600): Promise<number> {
  for (let second = 0; second <= most; second += 1) {
    if (isSo()) return second
    await vi.advanceTimersByTimeAsync(1000)
    await settled()
  }
  throw new Error(`${most} s passed in vain`)
}

/** Waits, in real time, for what the last second started: it never waits for the clock. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) {
    await context.tokenFiles.settled()
    // What was resumed then tries at once.
    await vi.advanceTimersByTimeAsync(0)
  }
  await context.tokenFiles.settled()
}

function content(): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

const kept = (): object => context.tokenFiles.list()
const down = new AgentError('network', 'op.example: connection refused')

describe('renewal', () => {
  test('comes ahead of expiry, with as many seconds left as were asked for', async () => {
    await keep({ min_valid_period: 100 })
    const first = content()
    expect(first).toBe('at-1')
    const took = await secondsUntil(() => content() !== first)
    // 600 s of life, 100 s and a twentieth of them before the end.
    expect(took).toBeGreaterThanOrEqual(460)
    expect(took).toBeLessThanOrEqual(480)
    expect(kept()).toMatchObject([
      { path, account: 'wlcg', state: 'fresh', expires_at: Math.floor(Date.now() / 1000) + 600 },
    ])
  })

  test('with strict takes only what was asked for, also over a new agent', async () => {
    const strict = { scope: 'a b', strict: true }
    provider.grantedScope = 'a'
    const refused = await ask({ request: 'token_file', account: 'wlcg', path, ...strict })
    expect(refused).toMatchObject({ status: 'failure', code: 'not-as-asked' })
    expect(content()).toBeUndefined()
    provider.grantedScope = undefined
    await keep({ ...strict, audience: 'x', leave: true })
    await context.tokenFiles.close()
    const before = content()
    provider.grantedScope = 'a'
    context = compose()
    load()
    await secondsUntil(() => content() === undefined)
    expect(before).toBe('at-2')
    expect(kept()).toMatchObject([
      { error: expect.stringContaining('not what was asked') as string },
    ])
  })

  test('that fails is tried again, is told of, and leaves no token that has expired', async () => {
    await keep()
    provider.failure = down
    const asked = provider.refreshes.length
    const gone = await secondsUntil(() => content() === undefined)
    expect(gone).toBeGreaterThanOrEqual(600)
    expect(gone).toBeLessThanOrEqual(603)
    expect(kept()).toMatchObject([{ state: 'retrying', expires_at: 0, error: down.message }])
    const tries = provider.refreshes.length - asked
    expect(tries).toBeGreaterThan(3)
    expect(tries).toBeLessThan(60)
    provider.failure = undefined
    // Pauses grow up to five minutes.
    expect(await secondsUntil(() => content() !== undefined)).toBeLessThanOrEqual(300)
    expect(kept()).toMatchObject([{ state: 'fresh' }])
  })

  test('does not wait for its pause when the account is loaded again', async () => {
    await keep()
    provider.failure = down
    await secondsUntil(() => content() === undefined)
    await vi.advanceTimersByTimeAsync(400_000)
    await settled()
    provider.failure = undefined
    load()
    expect(await secondsUntil(() => content() !== undefined)).toBeLessThanOrEqual(3)
  })

  test('follows the clock, not the timers: a machine that slept has no stale token for long', async () => {
    await keep()
    const first = content()
    vi.setSystemTime(Date.now() + 3_600_000)
    expect(await secondsUntil(() => content() !== first)).toBeLessThanOrEqual(31)
  })

  test('of tokens of unknown expiry comes all ten minutes', async () => {
    provider.lifetime = undefined
    await keep()
    expect(kept()).toMatchObject([{ state: 'fresh', expires_at: 0 }])
    const first = content()
    const took = await secondsUntil(() => content() !== first)
    expect(took).toBeGreaterThan(480)
    expect(took).toBeLessThan(600)
  })
})

describe('an account', () => {
  test('that is loaded anew takes its files along, which are never missing', async () => {
    await keep()
    const before = statSync(path)
    load()
    await settled()
    expect(statSync(path)).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs })
    expect(kept()).toMatchObject([{ state: 'fresh' }])
  })

  test('whose lifetime ends takes its files with it; they come back with it', async () => {
    await keep()
    context.keyring.setLifetime('wlcg', 5)
    await secondsUntil(() => content() === undefined, 7)
    expect(kept()).toEqual([])
    load()
    await secondsUntil(() => content() !== undefined, 3)
  })

  test('that is removed by name takes them for good, and so does --file-stop', async () => {
    for (const request of [
      { request: 'remove', account: 'wlcg' },
      { request: 'remove_all' },
      { request: 'delete', config: { name: 'wlcg', issuer_url: 'https://op.example/' } },
      { request: 'token_file_stop', path },
    ] as const) {
      await keep()
      expect(await ask(request)).toMatchObject({ status: 'success' })
      expect(content()).toBeUndefined()
      load()
      await settled()
      expect(kept()).toEqual([])
      expect(readdirSync(join(home, 'config', '.token-files'))).toEqual([])
    }
  })

  test('whose tokens need a confirmation has none in files', async () => {
    await keep()
    context.keyring.remove('wlcg')
    await settled()
    load({ confirm: true })
    await settled()
    expect(content()).toBeUndefined()
    expect(kept()).toMatchObject([{ state: 'retrying', error: 'operation forbidden' }])
    const refused = await ask({ request: 'token_file', account: 'wlcg', path })
    expect(refused).toMatchObject({ code: 'operation-forbidden' })
  })
})

describe('a request', () => {
  test('whose token or file fails keeps nothing, asks no provider in vain, says why', async () => {
    const missing = {
      request: 'token_file',
      account: 'wlcg',
      path: join(home, 'no', 'bt'),
    } as const
    expect(await ask(missing)).toMatchObject({ code: 'file-unwritable' })
    expect(provider.refreshes).toEqual([])
    provider.failure = down
    expect(await ask({ ...missing, path })).toMatchObject({ code: 'network' })
    expect(await ask({ ...missing, path, account: 'other' })).toMatchObject({
      code: 'unknown-account',
    })
    expect(kept()).toEqual([])
    expect(readdirSync(home)).toEqual(['config'])
  })

  test('for a file that is kept already takes its place', async () => {
    await keep({ audience: 'one' })
    await keep({ audience: 'two' })
    expect(kept()).toHaveLength(1)
    expect(content()).toBe('at-2')
    const took = await secondsUntil(() => content() !== 'at-2')
    expect(took).toBeGreaterThan(480)
    expect(content()).toBe('at-3')
  })

  test('that fails in place of a file that is kept already leaves that kept', async () => {
    await keep({ audience: 'one' })
    const release = provider.hold()
    const failing = ask({ request: 'token_file', account: 'wlcg', path, audience: 'two' })
    await vi.waitFor(() => expect(provider.refreshes).toHaveLength(2))
    rmSync(path)
    mkdirSync(path)
    release()
    expect(await failing).toMatchObject({ code: 'file-unwritable' })
    await settled()
    expect(kept()).toMatchObject([{ path, state: 'retrying' }])
    rmSync(path, { recursive: true })
    await secondsUntil(() => existsSync(path))
    expect(content()).toBe('at-3')
  })

  test('for one that is to be written once ends the keeping', async () => {
    await keep()
    await keep({ once: true, audience: 'two' })
    expect(kept()).toEqual([])
    expect(content()).toBe('at-2')
    expect(await ask({ request: 'token_file_stop', path })).toMatchObject({
      code: 'file-not-found',
    })
    expect(content()).toBe('at-2')
  })

  test('of a member of a group is refused: the files would be ours, the places theirs', async () => {
    load()
    const request = { request: 'token_file', account: 'wlcg', path } as const
    expect(await dispatch(request, { role: 'group' }, context, patient)).toMatchObject({
      code: 'operation-forbidden',
    })
    expect(content()).toBeUndefined()
  })

  test('for a process that is not there is refused', async () => {
    const owner_pid = 2 ** 30
    expect(await ask({ request: 'token_file', account: 'wlcg', path, owner_pid })).toMatchObject({
      code: 'bad-request',
    })
  })
})

test('a file for a process goes when that is killed, and its directory', async () => {
  const owner = spawn('sleep', ['1000'])
  await once(owner, 'spawn')
  const pid = owner.pid ?? 0
  mkdirSync(join(home, 'private'), { mode: 0o700 })
  path = join(home, 'private', 'bt_u0')
  await keep({ owner_pid: pid })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(content()).toBe('at-1')
  await endProcess(pid, 'SIGKILL')
  await secondsUntil(() => !existsSync(join(home, 'private')), 3)
  expect(kept()).toEqual([])
})

describe('what is remembered for the next agent', () => {
  const records = (): string => join(home, 'config', '.token-files')

  test('holds no token and is for its owner alone', async () => {
    await keep({ audience: 'x' })
    expect(statSync(records()).mode & 0o777).toBe(0o700)
    const [name = ''] = readdirSync(records())
    const text = readFileSync(join(records(), name), 'utf8')
    expect(JSON.parse(text)).toMatchObject({ path, account: 'wlcg', audience: 'x' })
    expect(text).not.toContain('at-1')
    expect(statSync(join(records(), name)).mode & 0o777).toBe(0o600)
  })

  test('does no harm where it is spoilt, and is missed by nobody where it cannot be written', async () => {
    await keep()
    context.keyring.remove('wlcg')
    await settled()
    const [name = ''] = readdirSync(records())
    for (const text of ['', 'x', '[]', '{}', '{"path":1}', '{"path":"/x","account":"wlcg"}']) {
      writeFileSync(join(records(), name), text)
      load()
      await settled()
      expect(kept()).toEqual([])
      context.keyring.remove('wlcg')
    }
    rmSync(records(), { recursive: true })
    writeFileSync(records(), 'no directory')
    load()
    await keep()
    expect(content()).toMatch(/^at-/)
    expect(kept()).toMatchObject([{ state: 'fresh' }])
  })
})
