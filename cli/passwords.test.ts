import { writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  noPasswordSources,
  type PasswordSources,
  passwordEntry,
  passwordSources,
  sourcedPassword,
} from './passwords.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'password-source-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function ask(
  sources: Partial<PasswordSources>,
  env: Record<string, string> = {},
): Promise<{ password: string | undefined; warnings: string[] }> {
  const warnings: string[] = []
  const password = await sourcedPassword(
    { ...noPasswordSources, ...sources },
    { env, hideMemory: () => undefined, warn: (line) => warnings.push(line) },
  )
  return { password, warnings }
}

describe('The sources of a password', () => {
  test('--pw-env without a name means OIDC_ENCRYPTION_PW', () => {
    const options = { pwEnv: true as const, pwCmd: undefined, pwFile: undefined }
    expect(passwordSources(options).variable).toBe('OIDC_ENCRYPTION_PW')
    expect(passwordSources({ ...options, pwEnv: 'MINE' }).variable).toBe('MINE')
  })

  test('the memory is hidden after the environment was read, and before a command or a file is', async () => {
    const file = join(directory, 'hidden')
    let isHidden = false
    const hideMemory = (): void => {
      isHidden = true
      writeFileSync(file, 'after\n')
    }
    const env = {
      get PW() {
        return isHidden ? 'too late' : 'before'
      },
    }
    const from = (sources: Partial<PasswordSources>): Promise<string | undefined> =>
      sourcedPassword(
        { ...noPasswordSources, ...sources },
        { env, hideMemory, warn: () => undefined },
      )
    expect(await from({ file })).toBe('after')
    await rm(file)
    expect(await from({ command: `cat '${file}'` })).toBe('after')
    isHidden = false
    expect(await from({ variable: 'PW' })).toBe('before')
    expect(isHidden).toBe(true)
  })

  test('password sources are tried in the order variable, command, file', async () => {
    const file = join(directory, 'pw')
    await writeFile(file, 'from file\n', { mode: 0o600 })
    const all = { variable: 'PW', command: 'echo from command', file }
    expect(await ask(all, { PW: 'from env' })).toEqual({ password: 'from env', warnings: [] })
    expect(await ask(all)).toEqual({
      password: 'from command',
      warnings: ['--pw-env: PW is not set'],
    })
    expect(await ask({ ...all, command: 'exit 3' })).toEqual({
      password: 'from file',
      warnings: ['--pw-env: PW is not set', '--pw-cmd: the command failed (3)'],
    })
  })

  test('a password file that others can read is used, and said with the chmod to type', async () => {
    const file = join(directory, 'pw')
    await writeFile(file, 'from file\n')
    await chmod(file, 0o644)
    const { password, warnings } = await ask({ file })
    expect(password).toBe('from file')
    expect(warnings).toEqual([
      `Warning: others can read ${file}, which holds secrets. To prevent it: chmod go-rwx ${file}`,
    ])
  })

  test.each([
    ['printf secret', 'secret'],
    ['printf "secret\\n"', 'secret'],
    ['printf "secret\\r\\n"', 'secret'],
    ['printf " secret \\n\\n"', ' secret \n'],
  ])(
    'the password of a command is its output without the last line end: %s',
    async (command, password) => {
      expect(await ask({ command })).toEqual({ password, warnings: [] })
    },
  )

  test('a password command has the environment of the tool', async () => {
    expect((await ask({ command: 'echo "$PLACE"' }, { PLACE: 'here' })).password).toBe('here')
  })

  test('the password of a file is its first line', async () => {
    const file = join(directory, 'pw')
    await writeFile(file, 'geheim ä \r\nsecond\n')
    expect((await ask({ file })).password).toBe('geheim ä ')
  })

  test('a source without a password is reported and skipped', async () => {
    const empty = join(directory, 'empty')
    await writeFile(empty, '', { mode: 0o600 })
    expect(await ask({ file: empty })).toEqual({
      password: undefined,
      warnings: [`--pw-file: ${empty} is empty`],
    })
    expect(await ask({ command: 'true' })).toEqual({
      password: undefined,
      warnings: ['--pw-cmd: the command printed nothing'],
    })
    const { password, warnings } = await ask({ file: join(directory, 'none') })
    expect(password).toBeUndefined()
    expect(warnings[0]).toMatch(/^--pw-file: cannot read .*: no such file or directory$/)
  })
})

describe('pw_entry', () => {
  const now = (): number => 1_700_000_000_500

  test.each([
    [noPasswordSources, undefined, { account: 'a', type: 8 }],
    [
      { ...noPasswordSources, command: 'cat x' },
      undefined,
      { account: 'a', type: 12, command: 'cat x' },
    ],
    [{ ...noPasswordSources, file: '/pw' }, undefined, { account: 'a', type: 24, pw_file: '/pw' }],
    [noPasswordSources, { password: 'pw', seconds: 0 }, { account: 'a', type: 9, password: 'pw' }],
    [
      noPasswordSources,
      { password: 'pw', seconds: 60 },
      { account: 'a', type: 9, password: 'pw', expires_after: 60, expires_at: 1_700_000_060 },
    ],
  ])('the sources %j with the kept password %j make the right pw_entry', (sources, keep, entry) => {
    expect(passwordEntry('a', sources, keep, now)).toEqual(entry)
  })
})
