import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { secondUser } from '../../test/support/command.ts'
import { exposureOf, FileTrust, readBelieved, type TrustRule } from './file-trust.ts'

const FILE = 0o100000
const DIRECTORY = 0o040000
/** The user, her group, and an overflow uid that is mapped to nobody. */
const ALICE = 1000
const NOBODY = 65534

/** What /etc and /proc say: alice has a private group, bob is in hers, carol is known to no file. */
const system: Readonly<Record<string, string>> = {
  '/etc/passwd':
    'root:x:0:0::/root:/bin/sh\nsync:x:4:0::/bin:/bin/sync\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:100::/:/bin/sh\ndora:x:1004:1004::/:/bin/sh\nerna:x:1005:1004::/:/bin/sh\n',
  '/etc/group':
    'root:x:0:\nusers:x:100:\nalice:x:1000:alice\nbob:x:1001:alice,bob\nstaff:x:1003:\ndora:x:1004:\n',
  '/proc/sys/kernel/overflowuid': '65534\n',
  '/proc/self/uid_map': '      1000       1000          1\n',
}

function trustOf(uid: number | undefined, groups: TrustRule['groups'] = 'private', files = system) {
  return new FileTrust({ uid, groups }, (path) => files[path] ?? '')
}

describe('Owner and mode', () => {
  test.each<[string, [uid: number, gid: number, mode: number], RegExp | undefined]>([
    ['her own file', [ALICE, ALICE, FILE | 0o644], undefined],
    ["root's file", [0, 0, FILE | 0o644], undefined],
    ["another user's file", [1001, 100, FILE | 0o600], /belongs to another user \(uid 1001\)/],
    ["an unmapped user's file", [NOBODY, NOBODY, FILE | 0o644], /belongs to another user/],
    ['a file that everybody can write', [ALICE, ALICE, FILE | 0o666], /others can write to it/],
    ['a file that a shared group can write', [ALICE, 100, FILE | 0o664], /the group 100 can write/],
    ['a file that her private group can write', [ALICE, ALICE, FILE | 0o664], undefined],
    ["a file that root's group can write", [0, 0, FILE | 0o664], undefined],
    ['a file that a group with members can write', [ALICE, 1001, FILE | 0o664], /the group 1001/],
    ['a directory that everybody can write', [ALICE, ALICE, DIRECTORY | 0o777], /others can write/],
    ['a sticky directory', [0, 0, DIRECTORY | 0o1777], undefined],
    ['a file with the sticky bit', [ALICE, ALICE, FILE | 0o1666], /others can write to it/],
  ])(
    'whether %s is trusted depends on who owns it and can write to it',
    (_, [uid, gid, mode], reason) => {
      const fault = trustOf(ALICE).fault('/home/alice/x', { uid, gid, mode })
      if (reason === undefined) expect(fault).toBeUndefined()
      else expect(fault?.reason).toMatch(reason)
    },
  )

  test.each([
    ['of her name and without members', ALICE, 1000, true],
    ['with another member', 1001, 1001, false],
    ['of her number, but with another name', 1003, 1003, false],
    ['of her number, where no file knows it', 1002, 1002, true],
    ['of another number, where no file knows it', 1002, 5000, false],
    ['that is the primary group of another user too', 1004, 1004, false],
  ])('a group %s is or is not the private group of a user', (_, uid, gid, isPrivate) => {
    const fault = trustOf(uid).fault('/x', { uid, gid, mode: FILE | 0o660 })
    expect(fault === undefined).toBe(isPrivate)
  })

  test('where no group may write, not even a private one does', () => {
    const status = { uid: ALICE, gid: ALICE, mode: DIRECTORY | 0o770 }
    expect(trustOf(ALICE, 'none').fault('/x', status)?.reason).toBe('others can write to it')
  })

  test.each([
    ['of another owner', 4711, FILE | 0o644, undefined],
    ['that a group can write', 4711, FILE | 0o664, undefined],
    ['that everybody can write', 4711, FILE | 0o646, /others can write/],
    ['in a directory that everybody can write', 4711, DIRECTORY | 0o777, /others can write/],
    ['in a sticky directory', 4711, DIRECTORY | 0o1777, undefined],
  ])('certificates %s are trusted unless everybody can change them', (_, uid, mode, reason) => {
    const fault = trustOf(undefined, 'any').fault('/cvmfs/x', { uid, gid: uid, mode })
    if (reason === undefined) expect(fault).toBeUndefined()
    else expect(fault?.reason).toMatch(reason)
  })

  test('below /etc the overflow uid counts as root, unless it is a user of the whole machine', () => {
    const status = { uid: NOBODY, gid: NOBODY, mode: FILE | 0o644 }
    const path = '/etc/oidc-agent/issuer.config'
    expect(trustOf(ALICE).fault(path, status)).toBeUndefined()
    const machine = { ...system, '/proc/self/uid_map': '0 0 4294967295\n' }
    expect(trustOf(ALICE, 'private', machine).fault(path, status)?.reason).toMatch(/another user/)
  })
})

test.each([
  ['0600', ALICE, undefined],
  ['0640', ALICE, undefined],
  ['0640', 100, /the group 100 can read/],
  ['0644', ALICE, /others can read \/x, /],
  ['0666', ALICE, /others can read or change \/x, /],
])(
  'a file of secrets of mode %s and group %i is reported if others can read it',
  (mode, gid, line) => {
    const exposure = trustOf(ALICE).exposure('/x', {
      uid: ALICE,
      gid,
      mode: FILE | Number.parseInt(mode, 8),
    })
    if (line === undefined) expect(exposure).toBeUndefined()
    else {
      expect(exposure).toMatch(line)
      expect(exposure).toContain('chmod go-rwx /x')
    }
  },
)

describe('Reading', () => {
  const uid = process.getuid?.() ?? 0
  /** Knows no groups: only the user's number is private. */
  const trust = () => new FileTrust({ uid, groups: 'private' }, () => '')
  let root: string
  let directory: string
  let path: string

  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'file-trust-')))
    directory = join(root, 'config')
    mkdirSync(directory, { mode: 0o700 })
    path = join(directory, 'issuer.config')
    writeFileSync(path, 'text')
  })
  afterEach(() => rmSync(root, { recursive: true }))

  test('a believed file is read if no other user can write it, and a missing one is undefined', async () => {
    expect(await readBelieved(path, trust())).toBe('text')
    expect(await readBelieved(join(directory, 'no'), trust())).toBeUndefined()
    expect(await readBelieved(join(path, 'no'), trust())).toBeUndefined()
  })

  test.each([
    ['the file', () => path, 0o666, ''],
    ['its directory', () => directory, 0o777, 'config: '],
    ['a directory above', () => root, 0o777, ': '],
  ])(
    'a believed file is refused if others can write to %s, with the chmod to type',
    async (_, at, mode, named) => {
      chmodSync(at(), mode)
      await expect(readBelieved(path, trust())).rejects.toMatchObject({
        code: 'file-unreadable',
        message: expect.stringMatching(
          new RegExp(`^will not read ${path}: .*${named}others can write to it$`),
        ) as string,
        hint: expect.stringContaining(`chmod go-w ${at()}`) as string,
      })
    },
  )

  test('a link does not hide that others can write where it leads', async () => {
    const shared = join(root, 'shared')
    mkdirSync(shared)
    writeFileSync(join(shared, 'file'), 'text')
    const link = join(directory, 'link')
    symlinkSync(join(shared, 'file'), link)
    expect(await readBelieved(link, trust())).toBe('text')
    chmodSync(shared, 0o777)
    await expect(readBelieved(link, trust())).rejects.toThrow(`${shared}: others can write to it`)
  })

  test('a believed file that is not a regular file is refused', async () => {
    await expect(readBelieved(directory, trust())).rejects.toThrow('it is not a regular file')
    symlinkSync('/dev/null', join(directory, 'null'))
    await expect(readBelieved(join(directory, 'null'), trust())).rejects.toThrow('not a regular')
  })

  test('only a regular file of secrets is reported, not a pipe or terminal', async () => {
    expect(await exposureOf('/dev/null')).toBeUndefined()
    chmodSync(path, 0o644)
    expect(await exposureOf(path)).toContain('others can read')
  })

  const needsRoot = secondUser === undefined ? ' (skipped: needs root)' : ''
  test.skipIf(secondUser === undefined)(
    `a believed file of another user, or in another user's directory, is refused${needsRoot}`,
    async () => {
      const { uid: other, gid } = secondUser ?? { uid: 0, gid: 0 }
      chownSync(path, other, gid)
      await expect(readBelieved(path, trust())).rejects.toThrow(/belongs to another user/)
      chownSync(path, uid, gid)
      chownSync(directory, other, gid)
      await expect(readBelieved(path, trust())).rejects.toThrow(
        `${directory}: it belongs to another user (uid ${other})`,
      )
    },
  )

  test.skipIf(secondUser === undefined)(
    `the overflow uid counts as root for directories above a file's own only${needsRoot}`,
    async () => {
      const unmapped = () => new FileTrust({ uid, groups: 'private' }, (file) => system[file] ?? '')
      chownSync(root, NOBODY, NOBODY)
      expect(await readBelieved(path, unmapped())).toBe('text')
      await expect(readBelieved(path, trust())).rejects.toThrow(/belongs to another user/)
      chownSync(directory, NOBODY, NOBODY)
      await expect(readBelieved(path, unmapped())).rejects.toThrow(/belongs to another user/)
    },
  )
})
