import { decodeJwt, exportJWK, type JWTPayload } from 'jose'
import type { ClientMetadata } from 'oidc-provider'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fieldText } from '../../cli/oidc-gen/account-json.ts'
import { outputOf, shown } from '../support/command.ts'
import { Sandbox } from '../support/sandbox.ts'
import { newAccount, PASSWORD, SCOPE } from '../support/seed-account.ts'
import { newTestKeyPair } from '../support/signing-key.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

const { privateKey, publicKey } = newTestKeyPair()

let provider: WlcgProvider
let sandbox: Sandbox

const robot: ClientMetadata = {
  client_id: 'robot',
  scope: SCOPE,
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
}

beforeEach(async () => {
  const jwk = { ...(await exportJWK(publicKey)), use: 'sig', alg: 'ES256' }
  provider = await startWlcgProvider({
    clients: [
      { ...robot, client_secret: 'of the robot' },
      {
        ...robot,
        client_id: 'robot-with-key',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [jwk] },
      },
    ],
  })
  sandbox = await Sandbox.create()
  await sandbox.startAgent()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

async function gen(...options: readonly string[]): Promise<void> {
  const finished = await sandbox.run(
    'oidc-gen',
    [
      `--iss=${provider.issuer}`,
      `--cp=${provider.caPath}`,
      '--pw-env',
      '--prompt=none',
      ...options,
    ],
    { env: { OIDC_ENCRYPTION_PW: PASSWORD } },
  )
  expect(finished.status, shown(finished)).toBe(0)
  expect(finished.stdout).toContain('Everything setup correctly!')
}

async function claims(...args: readonly string[]): Promise<JWTPayload> {
  return decodeJwt(outputOf(await sandbox.run('oidc-token', [...args, 'wlcg'])).trim())
}

/** Checks a token, an audience, and fewer scopes. */
async function works(subject: string): Promise<void> {
  expect((await claims()).sub).toBe(subject)
  expect((await claims('--aud=https://se.example')).aud).toBe('https://se.example')
  expect((await claims('-s', 'compute.read'))['scope']).toBe('compute.read')
}

describe('oidc-provider without a browser', () => {
  test('a robot with a client secret gets tokens by client credentials', async () => {
    await gen(
      ...['-w', 'client_credentials', '--scope=compute.read compute.create'],
      ...['--client-id=robot', '--client-secret=of the robot', 'wlcg'],
    )
    await works('robot')
  })

  test('a robot with a private key gets tokens by client credentials', async () => {
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    await gen(
      ...['-w', 'client_credentials', '--scope=compute.read compute.create'],
      ...['--client-id=robot-with-key', `--private-key=${await sandbox.file('key', pem)}`, 'wlcg'],
    )
    await works('robot-with-key')
  })

  test('oidc-gen --rt makes an account from a refresh token of another login', async () => {
    const account = await newAccount(provider, 'elsewhere')
    const given = [
      ['--rt', 'refresh_token'],
      ['--client-id', 'client_id'],
      ['--client-secret', 'client_secret'],
    ].map(([option = '', field = '']) => `${option}=${fieldText(account, field) ?? ''}`)
    await gen(...given, `--scope=${SCOPE}`, 'wlcg')
    await works((await claims()).sub ?? '')
  })
})
