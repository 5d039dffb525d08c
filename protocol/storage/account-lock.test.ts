import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AccountDirectory, commandWait, withAccountLock } from './account-directory.ts'

let path: string
let directory: AccountDirectory
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'account-lock-'))
  directory = new AccountDirectory(path)
})
afterEach(() => {
  rmSync(path, { recursive: true })
})

test('the lock of an account is held during the work, whose result is returned', async () => {
  const during = await directory.locked('wlcg', commandWait(), () =>
    Promise.resolve(readdirSync(path)),
  )
  expect(during).toHaveLength(1)
  expect(during[0]).toMatch(/^\..*wlcg/)
  expect(readdirSync(path)).toEqual([])
})

test('a wait for a lock that ends is an error that names the account file', async () => {
  await directory.locked('wlcg', commandWait(), async () => {
    const wait = withAccountLock(join(path, 'wlcg'), AbortSignal.abort(), () =>
      Promise.reject(new Error('the lock is held')),
    )
    await expect(wait).rejects.toMatchObject({
      code: 'file-unwritable',
      message: `another process is using ${join(path, 'wlcg')}`,
      hint: 'Try again when it has finished.',
      cause: expect.anything() as unknown,
    })
  })
})

test('an error of the work is passed on, also if the wait has ended meanwhile', async () => {
  const controller = new AbortController()
  const error = new Error('the work failed')
  const work = directory.locked('wlcg', controller.signal, () => {
    controller.abort()
    return Promise.reject(error)
  })
  await expect(work).rejects.toBe(error)
})

test('a name that no account can have is not locked', () => {
  const work = (): Promise<void> => directory.locked('a/b', commandWait(), () => Promise.resolve())
  expect(work).toThrow(expect.objectContaining({ code: 'bad-request' }))
  expect(existsSync(join(path, 'a'))).toBe(false)
})
