import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createConfigDirectory, findConfigDirectory, logDirectory } from './config-directory.ts'

let home: string
beforeEach(() => {
  // What env-paths reads must not decide what these tests see.
  vi.stubEnv('XDG_CONFIG_HOME', undefined)
  vi.stubEnv('XDG_STATE_HOME', undefined)
  home = mkdtempSync(join(tmpdir(), 'home-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true })
})

function make(...names: readonly string[]): string {
  const path = join(home, ...names)
  mkdirSync(path, { recursive: true })
  return path
}

describe('the config directory', () => {
  test('is none where there is none', async () => {
    expect(await findConfigDirectory({ HOME: home })).toBeUndefined()
  })

  test('is the first of the candidates that exists', async () => {
    const env = {
      HOME: home,
      OIDC_CONFIG_DIR: join(home, 'chosen'),
      XDG_CONFIG_HOME: join(home, 'xdg'),
    }
    // From the last candidate to the first: each wins over those that are there already.
    for (const path of ['.oidc-agent', '.config/oidc-agent', 'xdg/oidc-agent', 'chosen']) {
      const made = make(path)
      expect(await findConfigDirectory(env)).toBe(made)
      expect(await createConfigDirectory(env)).toBe(made)
    }
    expect(await findConfigDirectory({ HOME: home })).toBe(join(home, '.config/oidc-agent'))
    expect(
      await findConfigDirectory({ HOME: home, OIDC_CONFIG_DIR: '', XDG_CONFIG_HOME: '' }),
    ).toBe(join(home, '.config/oidc-agent'))
  })

  test('is not in the working directory if a variable is set but empty', async () => {
    const directory = make('work', 'oidc-agent')
    const working = process.cwd()
    process.chdir(dirname(directory))
    try {
      const env = { HOME: home, OIDC_CONFIG_DIR: '', XDG_CONFIG_HOME: '', XDG_STATE_HOME: '' }
      expect(await findConfigDirectory(env)).toBeUndefined()
      expect(logDirectory(env)).toBe(join(home, '.local/state/oidc-agent'))
    } finally {
      process.chdir(working)
    }
  })

  test('may be a link to one, and is no file', async () => {
    const there = make('there')
    symlinkSync(there, join(home, '.oidc-agent'))
    writeFileSync(join(home, 'file'), '')
    const env = { HOME: home, OIDC_CONFIG_DIR: join(home, 'file') }
    expect(await findConfigDirectory(env)).toBe(join(home, '.oidc-agent'))
  })

  test('that is in the way of the search is an error', async () => {
    symlinkSync('.oidc-agent', join(home, '.oidc-agent'))
    await expect(findConfigDirectory({ HOME: home })).rejects.toThrow(
      expect.objectContaining({ code: 'file-unreadable' }),
    )
  })

  test("does not come from the process's own environment", async () => {
    vi.stubEnv('XDG_CONFIG_HOME', join(tmpdir(), 'other'))
    vi.stubEnv('XDG_STATE_HOME', join(tmpdir(), 'other'))
    const made = make('.config/oidc-agent')
    expect(await findConfigDirectory({ HOME: home })).toBe(made)
    expect(logDirectory({ HOME: home })).toBe(join(home, '.local/state/oidc-agent'))
  })

  test('is looked for in the home directory of the user where HOME is not set', () => {
    expect(logDirectory({})).toBe(join(homedir(), '.local/state/oidc-agent'))
    expect(logDirectory({ HOME: '' })).toBe(join(homedir(), '.local/state/oidc-agent'))
  })
})

describe('making the config directory', () => {
  test.each([
    ['the home directory', [], {}, '.oidc-agent'],
    ['.config', ['.config'], {}, '.config/oidc-agent'],
    ['the XDG directory', ['.config', 'xdg'], { XDG_CONFIG_HOME: 'xdg' }, 'xdg/oidc-agent'],
    ['the parent of the chosen one', ['.config'], { OIDC_CONFIG_DIR: 'chosen' }, 'chosen'],
    [
      'what is left where the chosen one has no parent',
      ['.config'],
      { OIDC_CONFIG_DIR: 'a/b', XDG_CONFIG_HOME: 'xdg' },
      '.config/oidc-agent',
    ],
  ])('takes %s, with mode 0700', async (_, there, variables, made) => {
    for (const path of there) make(path)
    const absolute = Object.entries(variables).map(([name, value]) => [name, join(home, value)])
    const env = { HOME: home, ...(Object.fromEntries(absolute) as Record<string, string>) }
    expect(await createConfigDirectory(env)).toBe(join(home, made))
    expect(statSync(join(home, made)).mode & 0o777).toBe(0o700)
    expect(await findConfigDirectory(env)).toBe(join(home, made))
  })

  test('fails where there is no home', async () => {
    const env = { HOME: join(home, 'no') }
    await expect(createConfigDirectory(env)).rejects.toThrow(
      expect.objectContaining({
        code: 'file-unwritable',
        message: `there is no home directory ${join(home, 'no')}`,
        hint: expect.stringContaining('OIDC_CONFIG_DIR') as string,
      }),
    )
  })

  test('fails where something is in its place', async () => {
    writeFileSync(join(home, '.oidc-agent'), '')
    await expect(createConfigDirectory({ HOME: home })).rejects.toThrow(
      expect.objectContaining({
        code: 'file-unwritable',
        message: `cannot write ${join(home, '.oidc-agent')}: file already exists`,
      }),
    )
  })

  test('does not mind one that is there but not ours to list', async () => {
    const unlisted = make('unlisted')
    const made = make('.oidc-agent')
    chmodSync(unlisted, 0o300)
    // Root may list everything.
    const isRoot = process.getuid?.() === 0
    if (isRoot) for (const path of [home, unlisted, made]) chownSync(path, 65_534, 65_534)
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(await createConfigDirectory({ HOME: home, OIDC_CONFIG_DIR: unlisted })).toBe(made)
    } finally {
      if (isRoot) process.seteuid?.(0)
      chmodSync(unlisted, 0o700)
    }
  })
})

test('logs go where XDG_STATE_HOME says', () => {
  expect(logDirectory({ HOME: home, XDG_STATE_HOME: '/s' })).toBe('/s/oidc-agent')
  expect(logDirectory({ HOME: home })).toBe(join(home, '.local/state/oidc-agent'))
})
