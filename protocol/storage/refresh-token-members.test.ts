import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JsonObject } from '../wire/messages.ts'
import { Secret } from '../wire/secret.ts'
import { accountOf } from './account.ts'
import { AccountDirectory } from './account-directory.ts'
import { sealAccountFile } from './account-file.ts'
import {
  fieldsForFile,
  fieldsOfNewLogin,
  supersedes,
  withReplacedToken,
} from './refresh-token-members.ts'

const first = { name: 'wlcg', issuer_url: 'https://op.example/', refresh_token: 'rt-0', own: [1] }
const key = { salt: Buffer.alloc(16, 3), bytes: Buffer.alloc(64, 4) }

let home: string
let directory: AccountDirectory

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'leftovers-'))
  directory = new AccountDirectory(home)
})
afterEach(() => rmSync(home, { recursive: true }))

/** The JSON for the file after `rotations` of the account, which could not be saved in between. */
function rotated(inFile: JsonObject, rotations: number): JsonObject {
  let account = accountOf(inFile)
  for (let count = 0; count < rotations; count += 1) {
    const refreshToken = new Secret(`${account.refreshToken?.reveal() ?? ''}.${count}`)
    account = withReplacedToken(account, { refreshToken, formerRefreshToken: undefined })
  }
  return fieldsForFile(inFile, account)
}

test('of two versions of a file the one that rotated more often is newer, and never the other way round', () => {
  fc.assert(
    fc.property(fc.nat(5), fc.integer({ min: 1, max: 5 }), (before, more) => {
      const inFile = rotated(first, before)
      const leftover = rotated(inFile, more)
      expect(supersedes(leftover, inFile)).toBe(true)
      expect(supersedes(inFile, leftover)).toBe(false)
      expect(supersedes(inFile, inFile)).toBe(false)
      // Nor when the file has another login since.
      expect(supersedes(leftover, { ...inFile, refresh_token: 'new' })).toBe(false)
      expect(leftover['own']).toEqual([1])
    }),
  )
})

test('a version of before a new login is not newer than the login', () => {
  const inFile = rotated(first, 3)
  const login = { ...fieldsOfNewLogin(accountOf(inFile)), refresh_token: 'new' }
  expect(supersedes(rotated(inFile, 1), login)).toBe(false)
  expect(login).not.toHaveProperty('replaces_refresh_token')
  expect(fieldsOfNewLogin(accountOf(first))).toEqual(first)
})

test('a save without a new refresh token adds no member to the file', () => {
  expect(fieldsForFile(first, accountOf(first))).toEqual(first)
})

/** A file as a killed writer leaves it. */
function leave(text: string, id: number): void {
  writeFileSync(join(home, `.wlcg.${id.toString(16).padStart(16, '0')}.tmp`), text)
}

test('of the left-overs of an account only the newest stays, and it is found whatever follows its text', async () => {
  leave(await sealAccountFile(rotated(first, 1), key), 1)
  leave(`${await sealAccountFile(rotated(first, 3), key)}${' '.repeat(500)}`, 2)
  leave(await sealAccountFile(rotated(first, 2), key), 3)
  leave(await sealAccountFile(first, key), 4)
  leave(await sealAccountFile(rotated(first, 9), { ...key, salt: Buffer.alloc(16, 5) }), 5)
  leave('', 6)
  leave('half a tex', 7)
  const found = await directory.leftover('wlcg', first, key)
  expect(found?.['refresh_token']).toBe('rt-0.0.1.2')
  expect(readdirSync(home)).toEqual(['.wlcg.0000000000000002.tmp'])
  await directory.removeLeftovers('wlcg')
  expect(readdirSync(home)).toEqual([])
})

test('deleting an account deletes its left-overs', async () => {
  leave(await sealAccountFile(rotated(first, 1), key), 1)
  await directory.write('wlcg', await sealAccountFile(first, key))
  await directory.remove('wlcg')
  expect(readdirSync(home)).toEqual([])
})
