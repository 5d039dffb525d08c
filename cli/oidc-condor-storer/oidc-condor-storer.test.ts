import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  pathTo,
  storeCredCalls,
  storedCredential,
  writeStoreCred,
} from '../../test/support/condor-store-cred.ts'
import { type ScriptedAgent, scriptedAgent } from '../../test/support/scripted-agent.ts'
import { type ExitOutcome, run } from '../run.ts'
import { testIo } from '../test-io.ts'
import { storeCredentials } from './oidc-condor-storer.ts'
import { onNewLine } from './on-new-line.ts'
import { oidcCondorStorer } from './options.ts'

let directory: string
let agent: ScriptedAgent
let reply: Record<string, string | number>

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'oidc-condor-'))
  await writeStoreCred(directory)
  reply = {
    status: 'success',
    access_token: 'TOKEN',
    issuer: 'https://issuer.example',
    expires_at: Math.floor(Date.now() / 1000) + 1200,
    scope: 'compute.read',
  }
  agent = await scriptedAgent(() => reply)
})

afterEach(async () => {
  await agent.close()
  await rm(directory, { recursive: true, force: true })
})

async function storer(
  argv: readonly string[],
  more: Record<string, string> = {},
): Promise<{ status: ExitOutcome; stdout: string; stderr: string }> {
  const env = { OIDC_SOCK: agent.path, PATH: pathTo(directory), ...more }
  const io = testIo({ argv, env })
  const status = await run(oidcCondorStorer, storeCredentials, onNewLine(io))
  return { status, stdout: io.stdout.text, stderr: io.stderr.text }
}

describe('the credential of a service', () => {
  test('a credential is a token of the account with the name of the service, stored as JSON', async () => {
    expect(await storer(['wlcg'])).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(agent.requests).toEqual([
      {
        request: 'access_token',
        account: 'wlcg',
        min_valid_period: 600,
        application_hint: 'oidc-condor-storer',
      },
    ])
    const [query, add] = await storeCredCalls(directory)
    expect(query).toEqual({ argv: ['query-oauth', '-s', 'wlcg'], stdin: '' })
    expect(add?.argv).toEqual(['add-oauth', '-s', 'wlcg', '-i', '-'])
    const stored = await storedCredential(directory, 'wlcg')
    const { expires_at } = reply
    const fields = { access_token: 'TOKEN', token_type: 'bearer', expires_at }
    expect(stored).toMatchObject({ ...fields, scope: 'compute.read' })
    expect(stored['expires_in']).toBeGreaterThan(1190)
    expect(stored['expires_in']).toBeLessThanOrEqual(1200)
  })

  test('a credential has the scopes, audience and handle that the job requests', async () => {
    const argument =
      'wlcg_prod&handle=ce1&scopes=compute.read,compute.create&audience=ce.example.org:9619'
    expect(await storer([argument])).toMatchObject({ status: 0, stderr: '' })
    expect(agent.requests[0]).toMatchObject({
      account: 'wlcg_prod',
      scope: 'compute.read compute.create',
      audience: 'ce.example.org:9619',
    })
    const where = ['-s', 'wlcg_prod', '-H', 'ce1']
    const what = ['-S', 'compute.read,compute.create', '-A', 'ce.example.org:9619']
    const calls = await storeCredCalls(directory)
    expect(calls.map(({ argv }) => argv)).toEqual([
      ['query-oauth', ...where, ...what],
      ['add-oauth', ...where, ...what, '-i', '-'],
    ])
    expect(await storedCredential(directory, 'wlcg_prod_ce1')).toMatchObject({
      access_token: 'TOKEN',
      audience: 'ce.example.org:9619',
    })
  })

  test.each(['scope', 'scopes'])(
    'the modifier %s gives the scopes of a credential',
    async (name) => {
      await storer([`wlcg&${name}=storage.read:/a=b,openid`])
      expect(agent.requests[0]).toMatchObject({ scope: 'storage.read:/a=b openid' })
    },
  )

  test('a stored credential is replaced by a new token', async () => {
    await storer(['wlcg'])
    reply['access_token'] = 'LATER'
    expect(await storer(['wlcg'])).toMatchObject({ status: 0, stderr: '' })
    expect(await storedCredential(directory, 'wlcg')).toMatchObject({ access_token: 'LATER' })
  })

  test('a stored credential with another audience is kept, and the error has the command to remove it', async () => {
    await storer(['wlcg&handle=ce&audience=one'])
    const before = agent.requests.length
    const { status, stderr } = await storer(['wlcg&handle=ce&audience=two'])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^\nError: .*wlcg_ce have other scopes or another audience\n/)
    expect(stderr).toContain('$ condor_store_cred delete-oauth -s wlcg -H ce\n')
    expect(agent.requests).toHaveLength(before)
    expect(await storedCredential(directory, 'wlcg_ce')).toMatchObject({ audience: 'one' })
  })

  test('OIDC_CONDOR_ACCOUNTS maps a service to an account of another name', async () => {
    const OIDC_CONDOR_ACCOUNTS = 'other=x wlcg=my-account'
    await storer(['wlcg', 'wlcg_prod'], { OIDC_CONDOR_ACCOUNTS })
    expect(agent.requests.map(({ account }) => account)).toEqual(['my-account', 'wlcg_prod'])
  })

  test('SEC_CREDENTIAL_STORECRED_OPTS adds options of the administrator', async () => {
    await storer(['wlcg'], { SEC_CREDENTIAL_STORECRED_OPTS: '-n  schedd.example' })
    const [query] = await storeCredCalls(directory)
    expect(query?.argv).toEqual(['query-oauth', '-s', 'wlcg', '-n', 'schedd.example'])
  })
})

describe('the messages of oidc-condor-storer', () => {
  test('--verbose reports each step on a line of its own', async () => {
    const { stderr, stdout } = await storer(['-v', 'wlcg'])
    expect(stdout).toBe('')
    expect(stderr).toBe('\nwlcg: nothing stored\nOperation succeeded.\nwlcg: stored\n')
    expect(stderr).not.toContain('TOKEN')
  })

  test('a scope that was not granted is reported', async () => {
    reply['info'] = 'scope differs: compute.create was not granted'
    expect(await storer(['wlcg'])).toMatchObject({
      status: 0,
      stderr: '\nscope differs: compute.create was not granted\n',
    })
  })

  test.each([1, 3, 255])(
    'the output of HTCondor is the hint of its failure with status %i',
    async (status) => {
      await writeFile(join(directory, 'status'), String(status))
      const outcome = await storer(['wlcg'])
      expect(outcome).toMatchObject({ status: 1, stdout: '' })
      expect(outcome.stderr).toMatch(/^\nError: .*\ncannot reach the credd\n$/)
    },
  )

  test('a missing HTCondor is reported with status 127', async () => {
    const outcome = await storer(['wlcg'], { PATH: join(directory, 'nothing') })
    expect(outcome.status).toBe(127)
    expect(outcome.stderr).toContain('Error: cannot run condor_store_cred')
  })

  test('an error of the agent is reported, and no credential is stored', async () => {
    reply = { status: 'failure', error: 'Agent locked' }
    expect(await storer(['wlcg', 'other'])).toEqual({
      status: 1,
      stdout: '',
      stderr: '\nError: Agent locked\n',
    })
    const calls = await storeCredCalls(directory)
    expect(calls.map(({ argv }) => argv[0])).toEqual(['query-oauth'])
  })

  test.each([['-x'], [], [''], ['&handle=a'], ['../wlcg'], ['wlcg', 'wlcg&handle=a/b']])(
    'the arguments %j are a usage error',
    async (...argv) => {
      expect(await storer(argv)).toMatchObject({ status: 64, stdout: '' })
      expect(agent.requests).toEqual([])
      expect(await storeCredCalls(directory)).toEqual([])
    },
  )
})
