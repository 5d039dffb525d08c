import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sealAccountFile } from '../../protocol/storage/account-file.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { type Issuer, startIssuer } from '../issuer/start-issuer.ts'
import { payloadOf } from '../support/access-token.ts'
import { type Finished, shown } from '../support/command.ts'
import { type LoopbackServer, startLoopbackServer } from '../support/loopback-server.ts'
import { isRunning } from '../support/process-table.ts'
import { noTerminalReason, runInTerminal } from '../support/pseudo-terminal.ts'
import { Sandbox } from '../support/sandbox.ts'
import { fileKey, PASSWORD } from '../support/seed-account.ts'

let issuer: Issuer
let sandbox: Sandbox
let platform: LoopbackServer | undefined

beforeEach(async () => {
  issuer = await startIssuer()
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
  await issuer.close()
  await platform?.close()
  platform = undefined
})

/** An account with a client of the provider. */
function account(fields: JsonObject): JsonObject {
  const { id, secret = '' } = issuer.addClient()
  const client = { client_id: id, client_secret: secret }
  const scope = 'compute.read'
  return {
    name: 'ci',
    issuer_url: issuer.issuer,
    cert_path: issuer.caPath,
    scope,
    ...client,
    ...fields,
  }
}

/** Runs a script under an agent of its own, with an account in the environment. */
function job(
  script: string,
  given: JsonObject | string | undefined,
  env: Record<string, string> = {},
  options: readonly string[] = [],
): Promise<Finished> {
  const text = typeof given === 'string' ? given : JSON.stringify(given)
  const variables = given === undefined ? env : { OIDC_ACCOUNT_JSON: text, ...env }
  const argv = ['--non-interactive', ...options, '--', 'sh', '-c', script]
  return sandbox.run('oidc-agent', argv, { env: variables })
}

describe('account from the environment', () => {
  test('an account in OIDC_ACCOUNT_JSON gives a token by client credentials, and the job does not see the variable', async () => {
    const script = 'oidc-token ci && echo "$OIDCD_PID ${OIDC_ACCOUNT_JSON-unset}" && exit 5'
    const finished = await job(script, account({ grant: 'client_credentials' }))
    expect(finished, shown(finished)).toMatchObject({ status: 5, stderr: '' })
    const [token = '', rest = ''] = finished.stdout.split('\n')
    expect(payloadOf(token)).toMatchObject({ iss: issuer.issuer, scope: 'compute.read' })
    const [pid, variable] = rest.split(' ')
    expect(variable).toBe('unset')
    expect(isRunning(Number(pid))).toBe(false)
  })

  test('OIDC_ACCOUNT_JSON may name a file with the account', async () => {
    const path = await sandbox.file(
      'ci.json',
      JSON.stringify(account({ grant: 'client_credentials' })),
    )
    const finished = await job('oidc-token ci', path)
    expect(finished, shown(finished)).toMatchObject({ status: 0, stderr: '' })
  })

  test("an account with the subject token source github exchanges GitHub's ID token, fetched for each exchange", async () => {
    const asked: string[] = []
    platform = await startLoopbackServer(undefined, (request, response) => {
      asked.push(`${request.headers.authorization ?? ''} ${request.url ?? ''}`)
      void issuer.platformToken('repo:org/name', 60).then((value) => {
        response.end(JSON.stringify({ value }))
      })
    })
    const finished = await job(
      'oidc-token ci && oidc-token --aud=se.example ci',
      account({ grant: 'token-exchange', subject_token_source: 'github' }),
      {
        ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${platform.port}/idtoken?v=2`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job-token',
      },
    )
    expect(finished, shown(finished)).toMatchObject({ status: 0, stderr: '' })
    const [first = '', second = ''] = finished.stdout.split('\n')
    expect(payloadOf(first)).toMatchObject({ sub: 'repo:org/name' })
    expect(payloadOf(second)).toMatchObject({ sub: 'repo:org/name', aud: 'se.example' })
    const query = `v=2&audience=${encodeURIComponent(issuer.issuer)}`
    expect(asked).toEqual(Array(2).fill(`Bearer job-token /idtoken?${query}`))
  })

  test("an account with a subject token variable exchanges GitLab's ID token", async () => {
    const finished = await job(
      'oidc-token ci',
      account({ grant: 'token-exchange', subject_token_env: 'WLCG_ID_TOKEN' }),
      { WLCG_ID_TOKEN: await issuer.platformToken('project_path:group/name') },
    )
    expect(finished, shown(finished)).toMatchObject({ status: 0, stderr: '' })
    expect(payloadOf(finished.stdout.trim())).toMatchObject({ sub: 'project_path:group/name' })
  })
})

/** Makes an account `ci` outside of a job. Returns the output of `oidc-gen -p`. */
async function madeElsewhere(...options: readonly string[]): Promise<string> {
  const { id, secret = '' } = issuer.addClient()
  await sandbox.startAgent()
  const env = { OIDC_ENCRYPTION_PW: PASSWORD }
  const made = await sandbox.run(
    'oidc-gen',
    [
      ...['-w', 'token-exchange', '--scope=compute.read', '--pw-env', '--prompt=none'],
      ...[`--iss=${issuer.issuer}`, `--cp=${issuer.caPath}`, `--client-id=${id}`],
      ...[`--client-secret=${secret}`, ...options, 'ci'],
    ],
    { env },
  )
  expect(made.status, shown(made)).toBe(0)
  const printed = await sandbox.run('oidc-gen', ['-p', 'ci', '--pw-env'], { env })
  expect(printed.status, shown(printed)).toBe(0)
  return printed.stdout
}

describe('account made by oidc-gen for a job elsewhere', () => {
  test("an account made with --skip-check exchanges GitHub's ID token for the named audience in the job", async () => {
    const source = ['--subject-token-source=github', '--subject-token-audience=https://other']
    const json = await madeElsewhere('--skip-check', ...source)
    expect(issuer.requestsTo('token')).toEqual([])
    const asked: string[] = []
    platform = await startLoopbackServer(undefined, (request, response) => {
      asked.push(request.url ?? '')
      void issuer.platformToken('repo:org/name', 60).then((value) => {
        response.end(JSON.stringify({ value }))
      })
    })
    const finished = await job('oidc-token ci', json, {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${platform.port}/idtoken`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job-token',
    })
    expect(finished, shown(finished)).toMatchObject({ status: 0, stderr: '' })
    expect(payloadOf(finished.stdout.trim())).toMatchObject({ sub: 'repo:org/name' })
    expect(asked).toEqual(['/idtoken?audience=https%3A%2F%2Fother'])
  })

  test('the agent uses the new subject token source after oidc-gen has changed it', async () => {
    await madeElsewhere('--skip-check', '--subject-token-source=github')
    const file = await sandbox.file('token', await issuer.platformToken('pod'))
    const json = await madeElsewhere('--skip-check', `--subject-token-file=${file}`)
    expect(JSON.parse(json)).toMatchObject({
      subject_token_source: '',
      subject_token_file: file,
    })
    const token = await sandbox.run('oidc-token', ['ci'])
    expect(token, shown(token)).toMatchObject({ status: 0, stderr: '' })
    expect(payloadOf(token.stdout.trim())).toMatchObject({ sub: 'pod' })
  })

  test('oidc-gen names --skip-check in a job account error, and refuses it for accounts with a login', async () => {
    await sandbox.startAgent()
    const common = ['--prompt=none', `--iss=${issuer.issuer}`, `--cp=${issuer.caPath}`] as const
    const client = ['--client-id=c', '--client-secret=s', '--scope=compute.read'] as const
    const flow = ['-w', 'token-exchange', '--subject-token-source=github', '--no-save'] as const
    const checked = await sandbox.run('oidc-gen', [...common, ...client, ...flow, 'ci'])
    expect(checked.status).toBe(1)
    expect(checked.stderr).toMatch(/^Error: no token to exchange .*GitHub Actions/m)
    expect(checked.stderr).toContain('made with --skip-check')
    for (const options of [['-w', 'device'], flow]) {
      const refused = await sandbox.run('oidc-gen', [...options, '--skip-check', ...common, 'ci'])
      expect(refused.status).toBe(64)
      expect(refused.stderr).toContain('--skip-check saves an account made with -w client_cred')
    }
  })
})

describe('account from a file', () => {
  async function sealed(): Promise<string> {
    return sealAccountFile(account({ grant: 'client_credentials' }), await fileKey())
  }

  test('oidc-agent --load loads an account with the password of --pw-file', async () => {
    await sandbox.file('home/.config/oidc-agent/ci', await sealed())
    const password = await sandbox.file('password', `${PASSWORD}\n`)
    const finished = await job('oidc-token ci', undefined, {}, [
      '--load=ci',
      `--pw-file=${password}`,
    ])
    expect(finished, shown(finished)).toMatchObject({ status: 0, stderr: '' })
  })

  test('oidc-agent --load takes account and password from the credentials of a systemd unit', async () => {
    const CREDENTIALS_DIRECTORY = join(sandbox.directory, 'credentials')
    await mkdir(CREDENTIALS_DIRECTORY)
    await sandbox.file('credentials/ci.account', await sealed(), 0o400)
    await sandbox.file('credentials/oidc-agent-password', PASSWORD, 0o400)
    const finished = await job('oidc-token ci', undefined, { CREDENTIALS_DIRECTORY }, ['--load=ci'])
    expect(finished, shown(finished)).toMatchObject({ status: 0, stderr: '' })

    await sandbox.file(
      'credentials/plain.account',
      JSON.stringify(account({ name: 'plain', grant: 'client_credentials' })),
    )
    const plain = await job('oidc-token plain', undefined, { CREDENTIALS_DIRECTORY }, [
      '--load=plain',
    ])
    expect(plain, shown(plain)).toMatchObject({ status: 0, stderr: '' })
  })

  test('oidc-agent --load without the right password fails at once and leaves no agent', async () => {
    await sandbox.file('home/.config/oidc-agent/ci', await sealed())
    const wrong = await sandbox.file('password', 'wrong\n')
    for (const options of [['--load=ci'], ['--load=ci', `--pw-file=${wrong}`]]) {
      const finished = await job('echo ran', undefined, {}, options)
      expect(finished, shown(finished)).toMatchObject({ status: 12, stdout: '' })
      const alone = await sandbox.run('oidc-agent', ['--non-interactive', ...options])
      expect(alone, shown(alone)).toMatchObject({ status: 12, stdout: '' })
    }
  })
})

describe('exit statuses with --non-interactive', () => {
  const good = { grant: 'client_credentials' }

  test.each([
    ['unknown account', 'oidc-token other', 11],
    ['no agent', 'OIDC_SOCK=/nonexistent oidc-token ci', 10],
    ['lock password without a terminal', 'oidc-add --lock', 12],
    ['refused scope', 'oidc-token -s no.such.scope ci', 14],
    ['token that is not as requested', 'oidc-token --strict -t 999999 ci', 16],
    ['wrong usage', 'oidc-token --no-such-option ci', 64],
    [
      'login that needs a person',
      'oidc-gen --flow=device wlcg --iss="$ISS" --cp="$CA" --scope=openid --prompt=none --pw-env=PW',
      12,
    ],
  ])('%s: `%s` ends with status %i', async (_, script, status) => {
    const finished = await job(script, account(good), {
      ISS: issuer.issuer,
      CA: issuer.caPath,
      PW: PASSWORD,
    })
    expect(finished.stdout).not.toContain('accepted')
    expect(finished.stderr).not.toBe('')
    expect(finished, shown(finished)).toMatchObject({ status })
  })

  test('oidc-agent does not run the command if the account cannot be loaded, and ends with the status of the error', async () => {
    for (const [given, status] of [
      ['no JSON', 11],
      ['/nonexistent/ci.json', 11],
      [{ name: 'ci' }, 11],
      [account({ issuer_url: 'https://127.0.0.1:1/' }), 13],
      [account({ cert_path: '' }), 13],
      [account({ issuer_url: 'http://192.0.2.1/' }), 14],
    ] as const) {
      const finished = await job('echo ran', given)
      expect(finished, shown(finished)).toMatchObject({ status, stdout: '' })
    }
  })

  test('oidc-token ends with status 13 if the provider cannot be reached', async () => {
    issuer.fault('token', { kind: 'reset' }, { times: 'always' })
    const finished = await job('oidc-token ci', account(good))
    expect(finished, shown(finished)).toMatchObject({ status: 13, stdout: '' })
  })

  test('without --non-interactive oidc-token ends with status 1, as the C tools do', async () => {
    const finished = await sandbox.run('oidc-agent', ['--', 'sh', '-c', 'oidc-token other'])
    expect(finished, shown(finished)).toMatchObject({ status: 1 })
  })
})

test.skipIf(noTerminalReason !== undefined)(
  'oidc-token under --non-interactive asks no question, even in a terminal',
  async () => {
    const text = await sealAccountFile(account({}), await fileKey())
    await sandbox.file('home/.config/oidc-agent/ci', text)
    const out = join(sandbox.directory, 'out')
    const script = `oidc-agent --non-interactive -- sh -c 'oidc-token ci' >${out} 2>&1; echo "status $?"`
    const { screen } = await runInTerminal(sandbox, script, [])
    expect(screen).toContain('status 11')
    expect(await readFile(out, 'utf8')).toContain('account not loaded')
  },
)
