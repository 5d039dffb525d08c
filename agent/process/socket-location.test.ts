import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { prepareSocketLocation, removeSocket, type SocketLocation } from './socket-location.ts'

let base: string
const uid = process.getuid?.() ?? 0

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'socket-location-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

function prepare(socketPath?: string): Promise<SocketLocation> {
  return prepareSocketLocation({ socketPath, parentPid: 4711, temporaryDirectory: base, uid })
}

function listenAt(path: string): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(path, () => resolve(server))
  })
}

/** Leaves a socket behind as a killed agent does: Node itself would unlink it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = await listenAt(`${path}.live`)
  const { linkSync } = await import('node:fs')
  linkSync(`${path}.live`, path)
  await new Promise((resolve) => server.close(resolve))
}

test('the default socket has the parent pid in its name, in a random directory of mode 0700', async () => {
  const location = await prepare()
  expect(location.path).toMatch(/\/oidc-\w{6}\/oidc-agent\.4711$/)
  expect(statSync(dirname(location.path)).mode & 0o777).toBe(0o700)
  removeSocket(location)
  expect(existsSync(dirname(location.path))).toBe(false)
})

test('missing directories of a given socket path are made with mode 0700', async () => {
  const location = await prepare(join(base, 'a/b/agent.sock'))
  expect(location.path).toBe(join(base, 'a/b/agent.sock'))
  expect(statSync(join(base, 'a')).mode & 0o777).toBe(0o700)
})

test('a socket path with a slash at its end is a directory for the default name', async () => {
  expect((await prepare(`${base}/d/`)).path).toBe(join(base, 'd/oidc-agent.4711'))
})

test('XXXXXX at the end of a directory of the socket path is replaced by random characters', async () => {
  const one = await prepare(join(base, 'run-XXXXXX/s'))
  const other = await prepare(join(base, 'run-XXXXXX/s'))
  expect(one.path).toMatch(/\/run-\w{6}\/s$/)
  expect(one.path).not.toBe(other.path)
  expect(one.path).not.toContain('XXXXXX')
})

test('removing the socket keeps a directory that existed before', async () => {
  const location = await prepare(join(base, 'agent.sock'))
  removeSocket(location)
  expect(existsSync(base)).toBe(true)
})

test('a socket directory that others can write to is refused by its name and stays empty', async () => {
  const open = join(base, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  await expect(prepare(join(open, 'inner/agent.sock'))).rejects.toThrow(
    `socket path location is not trustworthy: ${open}: others can write to it`,
  )
  expect(readdirSync(open)).toEqual([])
  chmodSync(open, 0o1777)
  expect((await prepare(join(open, 'agent.sock'))).path).toBe(join(open, 'agent.sock'))
})

test('a stale socket is removed', async () => {
  const path = join(base, 'agent.sock')
  await leaveStaleSocket(path)
  expect(lstatSync(path).isSocket()).toBe(true)
  await prepare(path)
  expect(existsSync(path)).toBe(false)
})

test('a socket path on which an agent listens is refused, and the socket stays', async () => {
  const path = join(base, 'agent.sock')
  const server = await listenAt(path)
  await expect(prepare(path)).rejects.toThrow(`an agent is already running on ${path}`)
  expect(existsSync(path)).toBe(true)
  await new Promise((resolve) => server.close(resolve))
})

test('a socket path that is a file is refused, and the file stays', async () => {
  const path = join(base, 'precious')
  writeFileSync(path, 'data')
  await expect(prepare(path)).rejects.toThrow('exists and is not a socket of this user')
  expect(existsSync(path)).toBe(true)
})

test('a socket path of more than 107 bytes is refused, and its new directory is removed', async () => {
  const name = 'd'.repeat(100)
  await expect(prepare(join(base, name, 'agent.sock'))).rejects.toThrow('longer than the 107 bytes')
  expect(existsSync(join(base, name))).toBe(false)
})

test('the error for a socket directory that cannot be made names the directory', async () => {
  writeFileSync(join(base, 'file'), '')
  await expect(prepare(join(base, 'file/d/agent.sock'))).rejects.toMatchObject({
    code: 'file-unwritable',
    message: `cannot make the directory of the socket in ${join(base, 'file/d')}: not a directory`,
  })
})
