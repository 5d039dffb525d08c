import { describe, expect, test } from 'vitest'
import { AgentError } from '../../protocol/wire/errors.ts'
import { parseArgv } from '../arguments.ts'
import { type GenOptions, oidcGen } from './options.ts'
import { type GenPlan, planOf, promptPolicy } from './plan.ts'

type Env = Readonly<Record<string, string>>

/** The plan of a command line, words separated by spaces. */
function plan(line: string, env: Env = {}): GenPlan {
  return planOf(argumentsOf(line), env)
}

function argumentsOf(line: string): Parameters<typeof planOf>[0] {
  const parsed = parseArgv(oidcGen, line === '' ? [] : line.split(' '))
  if (parsed.kind !== 'run') throw new Error(`${line} asks for help`)
  return parsed.args
}

function optionsOf(line: string): GenOptions {
  return argumentsOf(line).options
}

/** The code and message that refuse a command line. */
function refusal(decide: () => unknown): readonly [code: string, message: string] | undefined {
  try {
    decide()
  } catch (error) {
    if (error instanceof AgentError) return [error.code, error.message]
    throw error
  }
  return undefined
}

describe('The kind of plan is chosen by the precedence of the C tool', () => {
  test.each<readonly [string, GenPlan['kind']]>([
    ['-l -p f -u f --rename n -d --codeExchange=u --only-at -m a', 'list'],
    ['-p f -u f --rename n a', 'print'],
    ['-u f --rename n -d a', 'update'],
    ['--rename n --codeExchange=u --state=s -d a', 'rename'],
    ['--codeExchange=u --state=s -d a', 'complete-by-redirect'],
    ['--state=s -d --reauthenticate a', 'complete-by-state'],
    ['-d --reauthenticate --only-at a', 'delete'],
    ['--reauthenticate --only-at -m a', 'reauthenticate'],
    ['--only-at -m a', 'only-token'],
    ['-m a', 'configure'],
    ['a', 'create'],
    ['', 'create'],
  ])('oidc-gen %s plans: %s', (line, kind) => {
    expect(plan(line).kind).toBe(kind)
  })
})

describe('A plan for files has what the options name', () => {
  test.each<readonly [string, GenPlan]>([
    ['-l', { kind: 'list' }],
    ['-p ./f', { kind: 'print', file: './f' }],
    ['-u f', { kind: 'update', file: 'f' }],
    ['--rename new old', { kind: 'rename', from: 'old', to: 'new' }],
    ['-d a', { kind: 'delete', account: 'a' }],
  ])('oidc-gen %s plans %j', (line, expected) => {
    expect(plan(line)).toEqual(expected)
  })
})

describe('Options that contradict each other or lack an account are usage errors', () => {
  const skipCheck =
    '--skip-check saves an account made with -w client_credentials or -w token-exchange'

  test.each([
    ['-u f --no-save', 'Update argument cannot be combined with no-save'],
    ['--rename n --no-save a', 'Rename argument cannot be combined with no-save'],
    ['--rename n', 'name the account to rename'],
    ['-d', 'name the account to delete'],
    ['--reauthenticate', 'name the account to reauthenticate'],
    ['--skip-check a', skipCheck],
    ['--skip-check -w device a', skipCheck],
    ['--skip-check -w device -w client_credentials a', skipCheck],
    ['--skip-check -w client_credentials --no-save a', skipCheck],
    ['--skip-check -w token-exchange --only-at a', skipCheck],
  ])('oidc-gen %s is a usage error: %s', (line, message) => {
    expect(refusal(() => plan(line))).toEqual(['usage', message])
  })

  test.each(['--prompt', '--pw-prompt'])('%s=gui is not implemented', (option) => {
    const refused = refusal(() => promptPolicy(optionsOf(`${option}=gui a`)))
    expect(refused).toEqual(['not-implemented', `${option}=gui is not implemented`])
  })
})

describe('A client that was registered beforehand implies --manual', () => {
  test.each<readonly [string, object]>([
    ['a', { kind: 'create', client: { kind: 'register', initialAccessToken: undefined } }],
    ['--at=T a', { kind: 'create', client: { kind: 'register', initialAccessToken: 'T' } }],
    ['--pub a', { kind: 'create', client: { kind: 'public' } }],
    ['--client-secret=s a', { kind: 'create' }],
    ['-m --pub a', { kind: 'configure', client: { kind: 'public' } }],
    ['-f f a', { kind: 'configure', file: 'f', client: { kind: 'preregistered' } }],
    ['--private-key=k a', { kind: 'configure', client: { id: undefined, isPublic: false } }],
    ['-w client_credentials a', { kind: 'configure', client: { kind: 'preregistered' } }],
    ['-w token-exchange a', { kind: 'configure', client: { kind: 'preregistered' } }],
    ['-w device -w token-exchange a', { kind: 'create' }],
    [
      '--client-id=c --client-secret=s a',
      { kind: 'configure', client: { id: 'c', secret: 's', isPublic: false, orPublic: false } },
    ],
    [
      '--client-id=c --pub a',
      { kind: 'configure', client: { kind: 'preregistered', id: 'c', isPublic: true } },
    ],
  ])('oidc-gen %s plans %j', (line, expected) => {
    expect(plan(line)).toMatchObject(expected)
  })

  test.each<readonly [string, object]>([
    ['--only-at', { kind: 'preregistered', orPublic: true }],
    ['--only-at -m', { kind: 'preregistered', orPublic: false }],
    ['--only-at --client-id=c', { kind: 'preregistered', orPublic: false }],
    ['--only-at --pub', { kind: 'public' }],
    ['-m', { kind: 'preregistered', orPublic: false }],
  ])('only --only-at takes the public client without --pub: %s plans %j', (line, client) => {
    expect(plan(line)).toMatchObject({ client })
  })
})

describe('The flows are those of the options, else those the machine allows', () => {
  const display = { DISPLAY: ':0' }

  test.each<readonly [string, Env, readonly string[], boolean]>([
    ['a', {}, ['device'], false],
    ['a', { DISPLAY: '' }, ['device'], false],
    ['a', display, ['code', 'device'], false],
    ['a', { WAYLAND_DISPLAY: 'w' }, ['code', 'device'], false],
    ['-w code a', {}, ['code'], true],
    ['-w device -w code a', display, ['device', 'code'], true],
    ['--rt=RT a', display, ['refresh'], true],
    ['--rt=RT -w device a', {}, ['refresh', 'device'], true],
    ['--rt=RT -w device -w refresh a', {}, ['refresh', 'device'], true],
    ['--reauthenticate a', {}, ['device'], false],
  ])('oidc-gen %s in the environment %j plans the flows %j', (line, env, flows, isChosen) => {
    expect(plan(line, env)).toMatchObject({ login: { kind: 'flow', flows, isChosen } })
  })

  test.each<readonly [string, Env, object]>([
    ['a', {}, { hasDisplay: false, isOpened: false, webServer: true, customScheme: true }],
    ['a', display, { hasDisplay: true, isOpened: true }],
    ['--no-url-call a', display, { hasDisplay: true, isOpened: false }],
    ['--no-webserver --no-scheme a', {}, { webServer: false, customScheme: false }],
  ])('oidc-gen %s in the environment %j plans the browser %j', (line, env, browser) => {
    expect(plan(line, env)).toMatchObject({ login: { browser } })
  })

  test.each(['', ' --reauthenticate'])('--skip-check plans no login%s', (more) => {
    const { login } = { login: undefined, ...plan(`--skip-check -w token-exchange${more} a`) }
    const credentials = { refreshToken: undefined, username: undefined, password: undefined }
    expect(login).toEqual({ kind: 'unchecked', grant: 'token-exchange', credentials })
  })
})

describe('A refresh token comes from --rt, else from the variable of --rt-env', () => {
  const env = { OIDC_REFRESH_TOKEN: 'default', MINE: 'mine', EMPTY: '' }

  test.each([
    ['--rt=RT a', 'RT'],
    ['--rt=RT --rt-env a', 'RT'],
    ['--rt-env a', 'default'],
    ['--rt-env=MINE a', 'mine'],
  ])('oidc-gen %s plans the refresh token %s', (line, refreshToken) => {
    expect(plan(line, env)).toMatchObject({ login: { credentials: { refreshToken } } })
  })

  test.each([
    ['--rt-env=EMPTY a', 'EMPTY not set!'],
    ['--rt-env=NONE a', 'NONE not set!'],
    ['--rt-env=NONE -l', 'NONE not set!'],
  ])('oidc-gen %s is refused: %s', (line, message) => {
    expect(refusal(() => plan(line, env))).toEqual(['bad-request', message])
  })
})

describe('The scopes depend on who logs in and for how long', () => {
  test.each<readonly [string, object]>([
    ['a', { given: '', isUnattended: false, isLasting: true }],
    ['--scope=a --scope=b a', { given: 'a b' }],
    ['--scope-max --scope=b a', { given: 'max b' }],
    ['--only-at', { isUnattended: false, isLasting: false }],
    ['-w client_credentials a', { isUnattended: true, isLasting: false }],
    ['-w client_credentials --rt=RT a', { isUnattended: false, isLasting: true }],
    ['-w device -w client_credentials a', { isUnattended: false, isLasting: true }],
  ])('oidc-gen %s plans the scopes %j', (line, scopes) => {
    expect(plan(line)).toMatchObject({ scopes })
  })
})

describe('The account has the members and the provider that options give', () => {
  test.each<readonly [string, object]>([
    ['a', { redirectUris: [], extension: {}, isOauth2: false, required: 'nothing' }],
    ['--cnid=me --aud=x --oauth2 a', { clientName: 'me', audience: 'x', isOauth2: true }],
    ['-w code a', { required: 'redirect-uris' }],
    ['-w device -w code a', { required: 'nothing' }],
    ['-w token-exchange a', { required: 'subject-token' }],
    ['--redirect-uri=u:/1 --port=2 a', { redirectUris: ['u:/1', 'http://localhost:2'] }],
    [
      '--private-key=/k a',
      { extension: { private_key_file: '/k', token_endpoint_auth_method: 'private_key_jwt' } },
    ],
    [
      '--private-key=/k --token-endpoint-auth-method=none a',
      { extension: { private_key_file: '/k', token_endpoint_auth_method: 'none' } },
    ],
    [
      '--subject-token-file=/t a',
      {
        extension: {
          subject_token_source: '',
          subject_token_env: '',
          subject_token_file: '/t',
        },
      },
    ],
  ])('oidc-gen %s plans the members %j', (line, members) => {
    expect(plan(line)).toMatchObject({ members })
  })

  test('paths are absolute, since the agent has another working directory', () => {
    expect(plan('--cp=ca.pem --private-key=k a')).toMatchObject({
      provider: { certPath: `${process.cwd()}/ca.pem` },
      members: { extension: { private_key_file: `${process.cwd()}/k` } },
    })
  })

  test.each<readonly [string, object]>([
    ['--iss=i --dae=d a', { issuer: 'i', deviceEndpoint: 'd', configEndpoint: undefined }],
    ['--config-endpoint=c a', { issuer: undefined, configEndpoint: 'c' }],
  ])('oidc-gen %s plans the provider %j', (line, provider) => {
    expect(plan(line)).toMatchObject({ provider })
  })
})

describe('An account is saved in a file unless --no-save is given', () => {
  test.each([
    ['a', 'file'],
    ['--no-save a', 'agent-only'],
    ['-m --no-save a', 'agent-only'],
    ['--reauthenticate a', 'file'],
    ['--reauthenticate --no-save a', 'agent-only'],
    ['--codeExchange=u', 'file'],
    ['--codeExchange=u --no-save', 'agent-only'],
    ['--state=s --no-save', 'agent-only'],
  ])('oidc-gen %s plans to save the account: %s', (line, save) => {
    expect(plan(line)).toMatchObject({ save })
  })
})

describe('Questions are asked at the terminal unless options forbid or answer them', () => {
  test.each<readonly [string, object]>([
    ['a', { mayAsk: true, confirmation: 'person' }],
    ['--prompt=cli --pw-prompt=cli a', { mayAsk: true, confirmation: 'person' }],
    ['--prompt=none a', { mayAsk: false, confirmation: 'person' }],
    ['--prompt=none --confirm-default a', { mayAsk: false, confirmation: 'default' }],
    ['--confirm-no --confirm-default a', { mayAsk: true, confirmation: 'no' }],
    ['--confirm-yes --confirm-no a', { mayAsk: true, confirmation: 'yes' }],
  ])('oidc-gen %s asks by the policy %j', (line, policy) => {
    expect(promptPolicy(optionsOf(line))).toEqual(policy)
  })
})
