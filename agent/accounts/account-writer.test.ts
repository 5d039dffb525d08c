import { existsSync, mkdtempSync, promises, readdirSync, rmSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { AccountDirectory } from '../../protocol/storage/account-directory.ts'
import { openAccountFile, sealAccountFile } from '../../protocol/storage/account-file.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { withoutIssuerFiles } from '../../test/support/oidc-client.ts'
import { ScriptedProvider } from '../../test/support/scripted-provider.ts'
import { silentLog } from '../log.ts'
import { subjectTokenReader } from '../oauth/subject-token.ts'
import { defaultRequest } from '../tokens/granted-scope.ts'
import { Refresher } from '../tokens/refresher.ts'
import { TokenService } from '../tokens/token-service.ts'
import { AccountWriter } from './account-writer.ts'
import { LoadedAccount } from './loaded-account.ts'

/** A call that a save makes on the account's file, its temporary file or its directory. */
type Step = (typeof steps)[number]

const steps = [
  'open the account file',
  'open the directory',
  'open the temporary file',
  'write',
  'fsync',
  'rename',
] as const

const errors = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
  ENOSPC: 'no space left on device',
  EIO: 'i/o error',
  ENOENT: 'no such file or directory',
  EMFILE: 'too many open files',
  // Node has no name for these.
  EDQUOT: 'Unknown system error -122',
  ESTALE: 'Unknown system error -116',
  EKEYEXPIRED: 'Unknown system error -127',
} as const

type Code = keyof typeof errors

/** The steps that fail now. */
const faults = new Map<Step, Code>()

const real = { open: promises.open, rename: promises.rename }

function fail(step: Step): void {
  const code = faults.get(step)
  if (code === undefined) return
  const text = errors[code]
  const message = text.startsWith('Unknown') ? `${text}: ${text}, call` : `${code}: ${text}, call`
  throw Object.assign(new Error(message), { code })
}

function isTemporary(path: unknown): boolean {
  return String(path).endsWith('.tmp')
}

function failOpen(path: unknown): void {
  if (/\.(?:lock|clock|broken)$/.test(String(path))) return
  if (isTemporary(path)) fail('open the temporary file')
  else fail(String(path).endsWith('wlcg') ? 'open the account file' : 'open the directory')
}

/** The calls of the system, which fail at the steps in `faults`. */
const faulty: typeof real = {
  open: async (...args) => {
    failOpen(args[0])
    const file = await real.open(...args)
    if (!isTemporary(args[0])) return file
    const write = file.write.bind(file) as (...rest: unknown[]) => Promise<unknown>
    const sync = file.sync.bind(file)
    return Object.assign(file, {
      write: (...rest: unknown[]) => {
        fail('write')
        return write(...rest)
      },
      sync: () => {
        fail('fsync')
        return sync()
      },
    })
  },
  rename: async (...args) => {
    if (isTemporary(args[0])) fail('rename')
    return real.rename(...args)
  },
}

function useCalls(calls: typeof real): void {
  Object.assign(promises, calls)
  // For those who have imported them by name.
  syncBuiltinESMExports()
}

beforeAll(() => useCalls(faulty))
afterAll(() => useCalls(real))

const key = { salt: Buffer.alloc(16, 3), bytes: Buffer.alloc(64, 4) }
const fields = {
  name: 'wlcg',
  issuer_url: 'https://op.example/',
  client_id: 'id',
  refresh_token: 'rt-0',
}
const patient = new AbortController().signal

let home: string
let directory: AccountDirectory
let provider: ScriptedProvider

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'account-writer-'))
  directory = new AccountDirectory(home)
  provider = new ScriptedProvider()
  provider.rotates = true
  await directory.write('wlcg', await sealAccountFile(fields, key))
})
afterEach(() => {
  vi.useRealTimers()
  faults.clear()
  rmSync(home, { recursive: true })
})

interface OneAgent {
  readonly loaded: LoadedAccount
  /** The account's token: a new one, unless the agent decides otherwise. */
  readonly force: () => Promise<{
    readonly accessToken: string
    readonly notes: string | undefined
  }>
}

/** An agent that has just loaded the account from its file. */
async function startAgent(): Promise<OneAgent> {
  const runtime = { now: () => Date.now(), random: () => 0.5 }
  const writer = new AccountWriter({
    directory: () => Promise.resolve(directory),
    derive: () => Promise.reject(new Error('no password is known here')),
    runtime,
    log: silentLog,
  })
  const readSubjectToken = subjectTokenReader({}, provider)
  const parts = { provider, clientConfigs: withoutIssuerFiles, runtime, log: silentLog }
  const refresher = new Refresher({ ...parts, writer, readSubjectToken })
  const service = new TokenService({ ...parts, refresher })
  const account = accountOf(await openAccountFile(await directory.read('wlcg'), key))
  const loaded = new LoadedAccount(account, { fileKey: new Secret(key) })
  return { loaded, force: () => service.accessToken(loaded, defaultRequest, -1, patient) }
}

/** The lock is released after the reply. */
async function nothingElseIsLeft(): Promise<void> {
  await vi.waitFor(() => expect(readdirSync(home)).toEqual(['wlcg']), { interval: 1 })
}

async function tokenInFile(): Promise<unknown> {
  return (await openAccountFile(await directory.read('wlcg'), key))['refresh_token']
}

/** From now on: after the request, when the provider has replaced the refresh token. */
function breakAfterSending(step: Step, code: Code): void {
  const release = provider.hold()
  void vi
    .waitUntil(() => provider.refreshes.length > 0, { interval: 1 })
    .then(() => {
      faults.set(step, code)
      release()
    })
}

/** A reason as people read it: never a bare number. */
const readable = /^(?!.*Unknown system error)/

const rows = steps.flatMap((step) =>
  Object.keys(errors).map((code) => [step, code] as [Step, Code]),
)

describe('a save that fails', () => {
  test.each(rows)(
    'the refresh is not sent while a token lives if it cannot %s: %s',
    async (step, code) => {
      // The rename is the only step that cannot be tried before.
      if (step === 'rename') return
      // We may write in a directory that we may not list.
      if (step === 'open the directory' && code === 'EACCES') return
      const { force, loaded } = await startAgent()
      const first = await force()
      faults.set(step, code)
      const { accessToken, notes } = await force()
      expect(accessToken).toBe(first.accessToken)
      expect(notes).toContain('no new token was requested')
      expect(notes).toMatch(readable)
      expect(provider.refreshes).toEqual(['rt-0'])
      expect(loaded.saved).toEqual({ state: 'saved' })
      faults.clear()
      expect((await force()).notes).toBeUndefined()
      expect(await tokenInFile()).toBe(provider.valid)
      await nothingElseIsLeft()
    },
  )

  test.each(rows)(
    'a refresh token that comes when the agent cannot %s (%s) is reported and saved later',
    async (step, code) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'Date'] })
      const { force, loaded } = await startAgent()
      breakAfterSending(step, code)
      const { accessToken, notes } = await force()
      expect(accessToken).toBe('at-1')
      // What was opened before is open still.
      if (loaded.saved.state === 'saved') {
        expect([
          'open the account file',
          'open the directory',
          'open the temporary file',
        ]).toContain(step)
        faults.clear()
        expect(await tokenInFile()).toBe('rt-1')
        return
      }
      expect(notes).toContain("the new refresh token of wlcg is only in the agent's memory")
      expect(notes).toMatch(readable)
      expect((await force()).notes).toContain("only in the agent's memory")
      expect(provider.refreshes).toEqual(['rt-0'])
      faults.clear()
      await vi.advanceTimersByTimeAsync(5_000)
      await vi.waitUntil(() => loaded.saved.state === 'saved', { interval: 1 })
      expect(await tokenInFile()).toBe('rt-1')
      await nothingElseIsLeft()
    },
  )

  test.each(rows)(
    'without a token the refresh is sent although the agent cannot %s (%s), and nothing is lost',
    async (step, code) => {
      const { force, loaded } = await startAgent()
      faults.set(step, code)
      expect((await force()).accessToken).toBe('at-1')
      expect(loaded.account.refreshToken?.reveal()).toBe('rt-1')
      faults.clear()
      await force()
      expect(await tokenInFile()).toBe(provider.valid)
      await nothingElseIsLeft()
    },
  )
})

describe('a save that was cut off', () => {
  test('its refresh token is taken over by the next agent, and nothing is asked of the provider for it', async () => {
    const killed = await startAgent()
    faults.set('rename', 'EIO')
    await killed.force()
    killed.loaded.dispose()
    faults.clear()
    expect(await tokenInFile()).toBe('rt-0')
    const next = await startAgent()
    expect((await next.force()).notes).toBeUndefined()
    expect(provider.refreshes).toEqual(['rt-0', 'rt-1'])
    expect(await tokenInFile()).toBe(provider.valid)
    await nothingElseIsLeft()
  })

  test('of several the one with the highest counter is taken over', async () => {
    const killed = await startAgent()
    provider.lifetime = 5
    faults.set('rename', 'EIO')
    for (let count = 0; count < 3; count += 1) await killed.force()
    killed.loaded.dispose()
    faults.clear()
    const next = await startAgent()
    await next.force()
    expect(provider.refreshes).toEqual(['rt-0', 'rt-1', 'rt-2', 'rt-3'])
  })

  test('a login that came after it is not replaced', async () => {
    const killed = await startAgent()
    faults.set('rename', 'EIO')
    await killed.force()
    killed.loaded.dispose()
    faults.clear()
    // By a program that does not count, such as oidc-gen of the C tools.
    await directory.write('wlcg', await sealAccountFile({ ...fields, refresh_token: 'new' }, key))
    provider.valid = undefined
    const next = await startAgent()
    await next.force()
    expect(provider.refreshes).toEqual(['rt-0', 'new'])
    await nothingElseIsLeft()
  })
})

test('an account file that another tool changed while the refresh was under way is not overwritten', async () => {
  const { force } = await startAgent()
  const release = provider.hold()
  const forced = force()
  await vi.waitUntil(() => provider.refreshes.length > 0, { interval: 1 })
  await directory.write('wlcg', await sealAccountFile({ ...fields, refresh_token: 'new' }, key))
  release()
  await forced
  expect(await tokenInFile()).toBe('new')
})

test('an account that was loaded with a password entry has a file: if that is gone, it is reported', async () => {
  const { loaded } = await startAgent()
  const passwordEntry = new Secret({ type: 1, password: 'pw' })
  expect(new LoadedAccount(loaded.account, { passwordEntry }).hasFile).toBe(true)
  expect(existsSync(join(home, 'wlcg'))).toBe(true)
})
