import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { tokenOfUseFile } from '../../cli/oidc-token/inspect/source.ts'
import { payloadOf } from '../support/access-token.ts'
import { shown } from '../support/command.ts'
import { storedCredential, writeStoreCred } from '../support/condor-store-cred.ts'
import { startLoaded } from '../support/loaded.ts'
import { Sandbox } from '../support/sandbox.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const CE = 'ce.example.org:9619'

let provider: WlcgProvider
let sandbox: Sandbox

beforeEach(async () => {
  provider = await startWlcgProvider()
  sandbox = await Sandbox.create()
  await startLoaded(sandbox, provider)
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

test('oidc-condor-storer stores the token that condor_submit requests, and a job can read it', async () => {
  const pool = sandbox.directory
  await writeStoreCred(pool)
  const argument = `wlcg&handle=ce&scopes=compute.read&audience=${CE}`
  const env = { PATH: `${pool}:${sandbox.env['PATH'] ?? ''}` }
  const finished = await sandbox.run('oidc-condor-storer', [argument, 'wlcg'], { env })
  expect(finished, shown(finished)).toMatchObject({ status: 0, stdout: '', stderr: '' })

  const token = tokenOfUseFile(await readFile(join(pool, 'wlcg_ce.use'), 'utf8'))
  expect(payloadOf(token)).toMatchObject({ aud: CE, scope: 'compute.read', iss: provider.issuer })
  expect(await storedCredential(pool, 'wlcg_ce')).toMatchObject({
    expires_at: payloadOf(token).exp,
    scope: 'compute.read',
  })
  const own = tokenOfUseFile(await readFile(join(pool, 'wlcg.use'), 'utf8'))
  expect(payloadOf(own).aud).not.toBe(CE)

  const again = await sandbox.run('oidc-condor-storer', ['wlcg&handle=ce'], { env })
  expect(again, shown(again)).toMatchObject({ status: 1, stdout: '' })
  expect(again.stderr).toContain('condor_store_cred delete-oauth -s wlcg -H ce')
})
