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
import { type AgentContext, createAgent } from '../context.ts'
import { dispatch } from '../dispatch.ts'
import { silentLog } from '../log.ts'

const START = 1_800_000_000_000
const patient = new AbortController().signal

let home: string
let path: string
let provider: ScriptedProvider
let context: AgentContext

beforeEach(() => {
  // Disk access goes on in real time.
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
  context.keyring.close()
  vi.useRealTimers()
  rmSync(home, { recursive: true })
})

/** How far the clock of the day was set back. */
let setBackSeconds = 0

function compose(options: Partial<AgentOptions> = {}): AgentContext {
  return createAgent({
    options: { ...defaultAgentOptions, ...options },
    runtime: {
      now: () => Date.now(),
      random: () => 0.5,
      uptime: () => Date.now() / 1000 + setBackSeconds,
    },
    log: silentLog,
    provider,
    derive: deriveKey,
    env: {},
    configDirectory: () => Promise.resolve(join(home, 'config')),
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

/** Requests that the file is kept; it exists then. */
async function keep(more: object = {}): Promise<void> {
  const reply = await ask({ request: 'token_file', account: 'wlcg', path, ...more })
  expect(reply).toMatchObject({ status: 'success', path })
}

/** Lets time pass, second by second, until something is so; returns the seconds it took. */
async function secondsUntil(isSo: () => boolean, most = 3600): Promise<number> {
  for (let second = 0; second <= most; second += 1) {
    if (isSo()) return second
    await vi.advanceTimersByTimeAsync(1000)
    await settled()
  }
  throw new Error(`${most} s passed in vain`)
}

/** Waits, in real time, for the work that the last second started: it never waits for the clock. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) {
    await context.tokenFiles.settled()
    // A file that was resumed tries at once.
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
  test('a file is renewed in time although the clock was set back by hours', async () => {
    await keep()
    const first = content()
    setBackSeconds = 3 * 3600
    vi.setSystemTime(Date.now() - setBackSeconds * 1000)
    const seconds = await secondsUntil(() => content() !== first, 600)
    expect(content()).toBe('at-2')
    expect(seconds).toBeGreaterThan(300)
    setBackSeconds = 0
  })

  test('a token file is renewed ahead of expiry, with as many seconds left as were requested', async () => {
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

  test('a strict token file takes only a token as requested, also with the next agent', async () => {
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

  test('a renewal that fails is tried again and reported, and leaves no expired token in the file', async () => {
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

  test('a failed renewal does not wait for its pause when the account is loaded again', async () => {
    await keep()
    provider.failure = down
    await secondsUntil(() => content() === undefined)
    await vi.advanceTimersByTimeAsync(400_000)
    await settled()
    provider.failure = undefined
    load()
    expect(await secondsUntil(() => content() !== undefined)).toBeLessThanOrEqual(3)
  })

  test('renewal follows the clock: on a machine that slept a token file is stale for half a minute at most', async () => {
    await keep()
    const first = content()
    vi.setSystemTime(Date.now() + 3_600_000)
    expect(await secondsUntil(() => content() !== first)).toBeLessThanOrEqual(31)
  })

  test('a token file with a token of unknown expiry is renewed every ten minutes', async () => {
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
  test('an account that is loaded again keeps its token files, which are never missing', async () => {
    await keep()
    const before = statSync(path)
    load()
    await settled()
    expect(statSync(path)).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs })
    expect(kept()).toMatchObject([{ state: 'fresh' }])
  })

  test('the token files of an account whose lifetime ends are removed, and come back with the account', async () => {
    await keep()
    context.keyring.setLifetime('wlcg', 5)
    await secondsUntil(() => content() === undefined, 7)
    expect(kept()).toEqual([])
    load()
    await secondsUntil(() => content() !== undefined, 3)
  })

  test('the token files of an account that is removed by name do not come back, nor a file after --file-stop', async () => {
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

  test('an account whose tokens need a confirmation has no token in a file', async () => {
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
  test('a request whose token or file fails keeps nothing and says why; a file that fails causes no refresh', async () => {
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

  test('a request for a file that is kept already replaces its entry', async () => {
    await keep({ audience: 'one' })
    await keep({ audience: 'two' })
    expect(kept()).toHaveLength(1)
    expect(content()).toBe('at-2')
    const took = await secondsUntil(() => content() !== 'at-2')
    expect(took).toBeGreaterThan(480)
    expect(content()).toBe('at-3')
  })

  test('a request that fails for a file that is kept already leaves the old entry', async () => {
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

  test('a request to write a kept file once ends its entry', async () => {
    await keep()
    await keep({ once: true, audience: 'two' })
    expect(kept()).toEqual([])
    expect(content()).toBe('at-2')
    expect(await ask({ request: 'token_file_stop', path })).toMatchObject({
      code: 'file-not-found',
    })
    expect(content()).toBe('at-2')
  })

  test('a request of a member of a group is refused: the agent would write at places that others choose', async () => {
    load()
    const request = { request: 'token_file', account: 'wlcg', path } as const
    expect(await dispatch(request, { role: 'group' }, context, patient)).toMatchObject({
      code: 'operation-forbidden',
    })
    expect(content()).toBeUndefined()
  })

  test('a request for a process that does not exist is refused', async () => {
    const owner_pid = 2 ** 30
    expect(await ask({ request: 'token_file', account: 'wlcg', path, owner_pid })).toMatchObject({
      code: 'bad-request',
    })
  })
})

test('a token file for a process is removed with its directory when the process is killed', async () => {
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

  test('the record of a token file holds no token and is readable by its owner alone', async () => {
    await keep({ audience: 'x' })
    expect(statSync(records()).mode & 0o777).toBe(0o700)
    const [name = ''] = readdirSync(records())
    const text = readFileSync(join(records(), name), 'utf8')
    expect(JSON.parse(text)).toMatchObject({ path, account: 'wlcg', audience: 'x' })
    expect(text).not.toContain('at-1')
    expect(statSync(join(records(), name)).mode & 0o777).toBe(0o600)
  })

  test('a damaged record of a token file does no harm, nor one that cannot be written', async () => {
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
