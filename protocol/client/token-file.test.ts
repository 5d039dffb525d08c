import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ScriptedAgent, scriptedAgent } from '../../test/support/scripted-agent.ts'
import { requestTokenFile } from './token-file.ts'

const CONTENT = 'a1'.repeat(32)
const PROBE = '.token.17.4.tmp'

let directory: string
let path: string
let agent: ScriptedAgent
/** The name of the probe file that the agent replies. */
let name: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-file-'))
  path = join(directory, 'token')
  name = PROBE
  agent = await scriptedAgent(({ request }) =>
    request === 'token_file_probe'
      ? { status: 'success', name }
      : { status: 'success', path, expires_at: 17 },
  )
})

afterEach(async () => {
  await agent.close()
  await rm(directory, { recursive: true })
})

function keep(): Promise<unknown> {
  const address = { kind: 'unix', path: agent.path } as const
  return requestTokenFile(address, { request: 'token_file', account: 'a', issuer: undefined, path })
}

/** The requests that carried what was read. */
function sent(): readonly unknown[] {
  return agent.requests.filter(({ request }) => request === 'token_file')
}

test('a token file is requested with the content of the probe file that the agent has made', async () => {
  await writeFile(join(directory, PROBE), CONTENT)
  expect(await keep()).toMatchObject({ path, expires_at: 17 })
  expect(agent.requests).toEqual([
    { request: 'token_file_probe', path },
    { request: 'token_file', account: 'a', path, probe: CONTENT },
  ])
})

test('no token file is requested if the probe file is not here', async () => {
  await expect(keep()).rejects.toMatchObject({
    code: 'file-unwritable',
    message: `the agent cannot keep ${path} for this program: a file that it made there is not here, so it is on another machine, in another container or of another user`,
    hint: expect.stringContaining('oidc-tokensh') as string,
  })
  expect(sent()).toEqual([])
})

test.each([
  ['shorter', CONTENT.slice(1)],
  ['longer', `${CONTENT}0`],
  ['no hexadecimal number', 'x'.repeat(64)],
])('nothing is sent of a file whose content is %s', async (_, content) => {
  await writeFile(join(directory, PROBE), content)
  await expect(keep()).rejects.toMatchObject({
    message: expect.stringContaining('has other content here') as string,
  })
  expect(sent()).toEqual([])
})

test('nothing is sent of a file that a symbolic link leads to', async () => {
  await writeFile(join(directory, 'elsewhere'), CONTENT)
  await symlink(join(directory, 'elsewhere'), join(directory, PROBE))
  await expect(keep()).rejects.toMatchObject({
    message: expect.stringContaining('cannot be read here') as string,
  })
  expect(sent()).toEqual([])
})

test.each([
  '../secret',
  '.token.1.2.tmp/../../secret',
  'secret',
  '.other.1.2.tmp',
  '/etc/passwd',
  '.token.1.2.tmp.x',
])('an agent that names %s as its probe file is refused', async (given) => {
  name = given
  await writeFile(join(directory, 'secret'), CONTENT)
  await expect(keep()).rejects.toMatchObject({
    message: expect.stringContaining('names a file that is no probe') as string,
  })
  expect(sent()).toEqual([])
  expect(await readFile(join(directory, 'secret'), 'utf8')).toBe(CONTENT)
})
