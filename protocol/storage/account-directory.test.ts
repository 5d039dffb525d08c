import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process, { getuid } from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AccountDirectory, checkAccountName } from './account-directory.ts'

let path: string
let directory: AccountDirectory
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'accounts-'))
  directory = new AccountDirectory(path)
})
afterEach(() => {
  chmodSync(path, 0o700)
  rmSync(path, { recursive: true })
})

function put(name: string, text = 'text'): string {
  writeFileSync(join(path, name), text)
  return join(path, name)
}

describe('the list', () => {
  test('has the regular files that are accounts, sorted', async () => {
    const accounts = ['b', 'B', 'a.stat', 'configs', 'clientconfig', 'é', 'x.config.old']
    const others = [
      '.hidden',
      'config',
      'issuer.config',
      'my.log',
      'oidc-agent.stats',
      'op_2020_c.clientconfig',
      'op_2020_c.clientconfig12',
    ]
    for (const name of [...accounts, ...others]) put(name)
    mkdirSync(join(path, 'issuer.config.d'))
    mkdirSync(join(path, 'directory'))
    symlinkSync('b', join(path, 'linked'))
    symlinkSync('nowhere', join(path, 'dangling'))
    symlinkSync('directory', join(path, 'linked-directory'))
    expect(await directory.list()).toEqual([...accounts, 'linked'].sort())
  })

  test('of a directory that is not there is an error', async () => {
    const absent = new AccountDirectory(join(path, 'no'))
    await expect(absent.list()).rejects.toMatchObject({ code: 'file-not-found' })
    expect(await absent.has('x')).toBe(false)
  })

  test('of a file is an error', async () => {
    const file = new AccountDirectory(put('x'))
    await expect(file.list()).rejects.toMatchObject({ code: 'file-unreadable' })
    expect(await file.has('x')).toBe(false)
  })

  test('stops at a link that leads in a circle', async () => {
    symlinkSync('circle', join(path, 'circle'))
    await expect(directory.list()).rejects.toMatchObject({ code: 'file-unreadable' })
    await expect(directory.has('circle')).rejects.toMatchObject({ code: 'file-unreadable' })
  })
})

test('an account is there or not', async () => {
  put('wlcg')
  put('x.config')
  const names = ['wlcg', 'other', 'x.config', '../x', '']
  const there = await Promise.all(names.map((name) => directory.has(name)))
  expect(there).toEqual([true, false, false, false, false])
})

describe('reading', () => {
  test('gives the text, also through a link', async () => {
    put('wlcg', 'é\n')
    symlinkSync('wlcg', join(path, 'linked'))
    expect(await directory.read('wlcg')).toBe('é\n')
    expect(await directory.read('linked')).toBe('é\n')
  })

  test('takes a file of 1 MiB and refuses a larger one', async () => {
    truncateSync(put('wlcg'), 1 << 20)
    expect(await directory.read('wlcg')).toHaveLength(1 << 20)
    truncateSync(put('wlcg'), (1 << 20) + 1)
    await expect(directory.read('wlcg')).rejects.toMatchObject({
      code: 'file-unreadable',
      message: `will not read ${join(path, 'wlcg')}: it is larger than 1048576 bytes`,
    })
  })

  test.skipIf(process.platform !== 'linux')('leaves no file open', async () => {
    put('wlcg')
    await directory.read('wlcg')
    const names = readdirSync('/proc/self/fd').map((fd) => openedName(fd))
    expect(names).not.toContain(join(path, 'wlcg'))
  })

  test('that fails for another reason has no hint', async () => {
    symlinkSync('circle', join(path, 'circle'))
    await expect(directory.read('circle')).rejects.toMatchObject({
      code: 'file-unreadable',
      hint: undefined,
    })
  })

  // Only root can give a file away.
  test.skipIf(getuid?.() !== 0)("takes the owner's file, and no file of a third user", async () => {
    chownSync(put('wlcg'), 4711, 4711)
    expect(await new AccountDirectory(path, { uid: 4711 }).read('wlcg')).toBe('text')
    await expect(directory.read('wlcg')).rejects.toMatchObject({ code: 'file-unreadable' })
  })

  test('of no file is told', async () => {
    await expect(directory.read('wlcg')).rejects.toMatchObject({
      code: 'file-not-found',
      message: `there is no file ${join(path, 'wlcg')}`,
      hint: 'What there is shows: oidc-add -l',
    })
  })

  test('does not follow into what is no regular file', async () => {
    mkdirSync(join(path, 'directory'))
    execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', join(path, 'pipe')])
    symlinkSync('/dev/zero', join(path, 'device'))
    for (const name of ['directory', 'pipe', 'device']) {
      await expect(directory.read(name)).rejects.toMatchObject({
        code: 'file-unreadable',
        message: `will not read ${join(path, name)}: it is no regular file`,
      })
    }
  })

  test('reports a file that others can read once, and reads it', async () => {
    const file = put('wlcg')
    chmodSync(file, 0o604)
    const lines: string[] = []
    const watched = new AccountDirectory(path, { warn: (line) => lines.push(line) })
    expect(await watched.read('wlcg')).toBe('text')
    await watched.read('wlcg')
    expect(lines).toEqual([
      `Warning: others can read ${file}, which holds secrets. To prevent it: chmod go-rwx ${file}`,
    ])
  })

  test("refuses another user's file", async () => {
    const file = put('wlcg')
    const own = getuid?.() ?? 0
    // Root owns files that everybody trusts: as root, give the file away.
    if (own === 0) chownSync(file, 4711, 4711)
    const stranger = new AccountDirectory(path, { uid: own + 1 })
    await expect(stranger.read('wlcg')).rejects.toMatchObject({
      code: 'file-unreadable',
      message: `will not read ${file}: it belongs to another user (uid ${own === 0 ? 4711 : own})`,
    })
  })

  test("takes root's file", async () => {
    // The machine's own file list is root's everywhere.
    symlinkSync('/etc/passwd', join(path, 'linked'))
    expect(await directory.read('linked')).toContain('root:')
  })

  test('refuses a huge file', async () => {
    truncateSync(put('wlcg'), (1 << 20) + 1)
    await expect(directory.read('wlcg')).rejects.toMatchObject({ code: 'file-unreadable' })
  })
})

describe('writing', () => {
  test('makes a private file and leaves nothing else', async () => {
    await directory.write('wlcg', 'é')
    expect(readFileSync(join(path, 'wlcg'), 'utf8')).toBe('é')
    expect(statSync(join(path, 'wlcg')).mode & 0o777).toBe(0o600)
    expect(readdirSync(path)).toEqual(['wlcg'])
  })

  test('replaces a file that others could read', async () => {
    chmodSync(put('wlcg', 'old, and longer'), 0o666)
    const before = statSync(join(path, 'wlcg')).ino
    await directory.write('wlcg', 'new')
    const after = statSync(join(path, 'wlcg'))
    expect(readFileSync(join(path, 'wlcg'), 'utf8')).toBe('new')
    expect(after.mode & 0o777).toBe(0o600)
    expect(after.ino).not.toBe(before)
  })

  test('keeps a link and replaces what it points to', async () => {
    const elsewhere = join(path, 'elsewhere')
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'file'), 'old')
    symlinkSync('elsewhere/file', join(path, 'wlcg'))
    await directory.write('wlcg', 'new')
    expect(lstatSync(join(path, 'wlcg')).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(elsewhere, 'file'), 'utf8')).toBe('new')
    expect(readdirSync(elsewhere)).toEqual(['file'])
  })

  test('at the same time leaves one whole text', async () => {
    const texts = Array.from({ length: 8 }, (_, index) => String(index).repeat(10_000))
    await Promise.all(texts.map((text) => directory.write('wlcg', text)))
    expect(texts).toContain(readFileSync(join(path, 'wlcg'), 'utf8'))
    expect(readdirSync(path)).toEqual(['wlcg'])
  })

  test('over a directory fails, says why, and leaves nothing behind', async () => {
    mkdirSync(join(path, 'wlcg'))
    await expect(directory.write('wlcg', 'x')).rejects.toMatchObject({
      code: 'file-unwritable',
      message: expect.stringMatching(/^cannot write .*\/wlcg: .*directory/) as string,
    })
    expect(readdirSync(path)).toEqual(['wlcg'])
  })

  test.each(['no', 'file'])('where there is no directory fails: %s', async (name) => {
    put('file')
    const absent = new AccountDirectory(join(path, name))
    await expect(absent.write('x', 'x')).rejects.toMatchObject({ code: 'file-unwritable' })
  })

  test('needs no right to list the directory', async () => {
    chmodSync(path, 0o300)
    await asOrdinaryUser(() => directory.write('wlcg', 'x'))
    expect(await directory.has('wlcg')).toBe(true)
  })

  test('in a directory that is not ours to write fails', async () => {
    chmodSync(path, 0o500)
    await expect(asOrdinaryUser(() => directory.write('wlcg', 'x'))).rejects.toMatchObject({
      code: 'file-unwritable',
      message: `cannot write ${join(path, 'wlcg')}: permission denied`,
    })
  })
})

/** Does something without root's rights: as root, as nobody, who gets the directory. */
async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return work()
  chownSync(path, 65_534, 65_534)
  process.seteuid?.(65_534)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}

/** The path of an open descriptor; undefined if it has been closed meanwhile. */
function openedName(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

describe('removing', () => {
  test('takes the file away', async () => {
    put('wlcg')
    await directory.remove('wlcg')
    expect(readdirSync(path)).toEqual([])
  })

  test('of no file is told', async () => {
    await expect(directory.remove('wlcg')).rejects.toMatchObject({ code: 'file-not-found' })
  })

  test('of a directory fails', async () => {
    mkdirSync(join(path, 'wlcg'))
    await expect(directory.remove('wlcg')).rejects.toMatchObject({ code: 'file-unwritable' })
  })
})

describe('a name', () => {
  test.each(['wlcg', 'a b', 'é', '-x', 'a.b', 'x'.repeat(255)])('may be %j', (name) => {
    expect(() => {
      checkAccountName(name)
    }).not.toThrow()
  })

  test.each([
    ['', 'empty'],
    ['a/b', 'slashes'],
    ['..', 'dot'],
    ['.x', 'dot'],
    ['a\0', 'control'],
    ['a\n', 'control'],
    ['config', 'own: config'],
    ['issuer.config', 'own'],
    ['x.log', 'own'],
    ['x.stats', 'own'],
    ['x.clientconfig7', 'own'],
    ['é'.repeat(128), '255 bytes'],
  ])('may not be %j', async (name, reason) => {
    const refusal = { code: 'bad-request', message: expect.stringContaining(reason) as string }
    expect(() => {
      checkAccountName(name)
    }).toThrow(expect.objectContaining(refusal))
    await expect(directory.read(name)).rejects.toMatchObject(refusal)
    await expect(directory.write(name, 'x')).rejects.toMatchObject(refusal)
    await expect(directory.remove(name)).rejects.toMatchObject(refusal)
  })
})
