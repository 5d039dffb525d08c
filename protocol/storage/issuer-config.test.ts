import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type KnownIssuer, readKnownIssuers } from './issuer-config.ts'
import { addIssuerAccount, removeIssuerAccount } from './issuer-config-writer.ts'

let root: string
let user: string
let system: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'issuers-'))
  user = join(root, 'user')
  system = join(root, 'system')
  mkdirSync(user)
  mkdirSync(system)
})
afterEach(() => {
  rmSync(root, { recursive: true })
})

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

async function known(): Promise<readonly KnownIssuer[]> {
  // Without the fields that are absent, so that they can be compared.
  return JSON.parse(JSON.stringify(await readKnownIssuers(user, system))) as KnownIssuer[]
}

function file(): string {
  return readFileSync(join(user, 'issuer.config'), 'utf8')
}

describe('known issuers', () => {
  test('are none where there are no files', async () => {
    expect(await known()).toEqual([])
    expect(await readKnownIssuers(undefined, join(root, 'no'))).toEqual([])
  })

  test('are read from the JSON of 5.x', async () => {
    put(
      'user/issuer.config',
      JSON.stringify([
        {
          issuer: 'https://a.example/',
          accounts: ['one', 'two', 3],
          default_account: 'two',
          pubclient: { client_id: 'c', client_secret: 's', scope: 'openid', flow: ['device'] },
          config_endpoint: 'https://a.example/config',
          cert_path: '/ca.pem',
          device_authorization_endpoint: 'https://a.example/device',
          legacy_aud_mode: true,
          register: 'https://a.example/register',
          contact: 'admin@a.example',
          'pw-store': false,
        },
        { issuer_url: 'https://b.example', accounts: 'one', pubclient: {}, 'pw-store': 1 },
        { issuer: '' },
        'https://c.example',
      ]),
    )
    expect(await known()).toEqual([
      {
        issuer: 'https://a.example/',
        accounts: ['one', 'two'],
        defaultAccount: 'two',
        publicClient: { clientId: 'c', clientSecret: 's', scope: 'openid' },
        configEndpoint: 'https://a.example/config',
        certPath: '/ca.pem',
        deviceAuthorizationEndpoint: 'https://a.example/device',
        legacyAudienceMode: true,
        registerHint: 'https://a.example/register',
        contact: 'admin@a.example',
        storePassword: false,
      },
      { issuer: 'https://b.example', accounts: [] },
    ])
  })

  test('are read from the text of 4.x', async () => {
    put(
      'user/issuer.config',
      '# mine\nhttps://a.example/ one\n\nhttps://a.example two\r\nhttps://b.example\nelse\n',
    )
    put('system/issuer.config', 'https://a.example/ https://a.example/reg me@a.example\nnothing\n')
    expect(await known()).toEqual([
      {
        issuer: 'https://a.example/',
        accounts: ['one', 'two'],
        defaultAccount: 'one',
        registerHint: 'https://a.example/reg',
        contact: 'me@a.example',
      },
      { issuer: 'https://b.example', accounts: [] },
    ])
  })

  test('are read from the public clients of 4.x', async () => {
    put(
      'system/pubclients.config',
      '# id:secret@issuer@scopes\nid:secret@https://a.example/@openid profile\nother@https://b.example\n@https://c.example\nx\n',
    )
    put('user/pubclients.config', 'mine:@https://a.example/@\nmine:@https://d.example@')
    expect(await known()).toEqual([
      {
        issuer: 'https://a.example/',
        accounts: [],
        publicClient: { clientId: 'id', clientSecret: 'secret', scope: 'openid profile' },
      },
      { issuer: 'https://b.example', accounts: [], publicClient: { clientId: 'other' } },
      { issuer: 'https://d.example', accounts: [], publicClient: { clientId: 'mine' } },
    ])
  })

  test('are joined: what is said first wins, the rest is added', async () => {
    const entry = (contact: string, more = {}): string =>
      JSON.stringify({ issuer: 'https://a.example/', contact, ...more })
    put('user/issuer.config', `[${entry('', { accounts: ['one'] })}]`)
    put('user/issuer.config.d/new', entry('new', { register: 'new', accounts: ['two'] }))
    put('user/issuer.config.d/old', `[${entry('old')}, {"issuer":"https://b.example"}]`)
    put('user/issuer.config.d/.hidden', entry('hidden', { cert_path: '/hidden' }))
    mkdirSync(join(user, 'issuer.config.d', 'directory'))
    utimesSync(join(user, 'issuer.config.d', 'old'), 0, 0)
    put(
      'system/issuer.config',
      `# comment\n  # another\n[\n${entry('system', { cert_path: '/ca' })}\n]\n`,
    )
    put(
      'system/issuer.config.d/a',
      '{"issuer":"https://a.example","cert_path":"/no","pw-store":true}',
    )
    expect(await known()).toEqual([
      {
        issuer: 'https://a.example/',
        accounts: ['one', 'two'],
        contact: 'old',
        registerHint: 'new',
        certPath: '/ca',
        storePassword: true,
      },
      { issuer: 'https://b.example', accounts: [] },
    ])
  })

  test.each(['user/issuer.config', 'system/issuer.config', 'user/issuer.config.d/x'])(
    'are an error where %s is broken JSON',
    async (path) => {
      put(path, '[{"issuer":"https://a.example"')
      await expect(known()).rejects.toMatchObject({
        code: 'file-malformed',
        message: `${join(root, path)} is not valid JSON`,
      })
    },
  )

  test('are an error where a file cannot be read', async () => {
    mkdirSync(join(user, 'issuer.config'))
    await expect(known()).rejects.toMatchObject({ code: 'file-unreadable' })
  })

  test('are an error where a directory cannot be read', async () => {
    symlinkSync('issuer.config.d', join(user, 'issuer.config.d'))
    await expect(known()).rejects.toMatchObject({ code: 'file-unreadable' })
  })

  test('are an error where a link leads in a circle', async () => {
    mkdirSync(join(user, 'issuer.config.d'))
    symlinkSync('x', join(user, 'issuer.config.d', 'x'))
    await expect(known()).rejects.toMatchObject({ code: 'file-unreadable' })
  })

  test('skip a link that leads nowhere', async () => {
    mkdirSync(join(user, 'issuer.config.d'))
    symlinkSync('nowhere', join(user, 'issuer.config.d', 'x'))
    expect(await known()).toEqual([])
  })
})

describe('adding an account', () => {
  test('makes a private JSON file where there is none', async () => {
    await addIssuerAccount(user, 'https://a.example/', 'one')
    const entries = [{ issuer: 'https://a.example/', accounts: ['one'] }]
    expect(file()).toBe(`${JSON.stringify(entries, null, '\t')}\n`)
    expect(statSync(join(user, 'issuer.config')).mode & 0o777).toBe(0o600)
    expect(readdirSync(user)).toEqual(['issuer.config'])
  })

  test('keeps all else in a JSON file', async () => {
    const others = [{ issuer: 'https://b.example', x: { y: 1 } }, 7]
    put(
      'user/issuer.config',
      JSON.stringify([{ issuer_url: 'https://a.example', z: 1 }, ...others]),
    )
    await addIssuerAccount(user, 'https://a.example/', 'one')
    await addIssuerAccount(user, 'https://a.example/', 'two')
    await addIssuerAccount(user, 'https://c.example', 'three')
    expect(JSON.parse(file())).toEqual([
      { issuer_url: 'https://a.example', z: 1, accounts: ['one', 'two'] },
      ...others,
      { issuer: 'https://c.example', accounts: ['three'] },
    ])
  })

  test('keeps a text file one', async () => {
    put('user/issuer.config', '# mine\nhttps://a.example/ one\nhttps://b.example\n')
    await addIssuerAccount(user, 'https://a.example', 'two')
    expect(file()).toBe('# mine\nhttps://a.example/ one\nhttps://b.example\nhttps://a.example two')
  })

  test('keeps the empty file that 4.x makes a text file', async () => {
    put('user/issuer.config', '')
    await addIssuerAccount(user, 'https://a.example', 'one')
    expect(file()).toBe('https://a.example one')
  })

  test.each(['[{"issuer":"https://a.example","accounts":["one"]}]', 'https://a.example one\n'])(
    'that is there already writes nothing: %j',
    async (text) => {
      put('user/issuer.config', text)
      const before = statSync(join(user, 'issuer.config')).ino
      await addIssuerAccount(user, 'https://a.example/', 'one')
      expect(file()).toBe(text)
      expect(statSync(join(user, 'issuer.config')).ino).toBe(before)
    },
  )

  test('never overwrites broken JSON', async () => {
    put('user/issuer.config', '[{')
    await expect(addIssuerAccount(user, 'https://a.example', 'one')).rejects.toThrow(
      'not valid JSON',
    )
    expect(file()).toBe('[{')
  })
})

describe('removing an account', () => {
  test('makes no file', async () => {
    await removeIssuerAccount(user, 'one')
    expect(readdirSync(user)).toEqual([])
  })

  test('keeps its issuer and all else in a JSON file', async () => {
    put(
      'user/issuer.config',
      JSON.stringify([
        { issuer: 'https://a.example', accounts: ['one', 'two'], default_account: 'one', z: 1 },
        { issuer: 'https://b.example', accounts: ['one', 'two'], default_account: 'two' },
        { issuer: 'https://c.example' },
        7,
      ]),
    )
    await removeIssuerAccount(user, 'one')
    expect(JSON.parse(file())).toEqual([
      { issuer: 'https://a.example', accounts: ['two'], z: 1 },
      { issuer: 'https://b.example', accounts: ['two'], default_account: 'two' },
      { issuer: 'https://c.example' },
      7,
    ])
  })

  test('keeps its issuer in a text file, once', async () => {
    put(
      'user/issuer.config',
      'https://a.example one\nhttps://a.example/ two\nhttps://b.example one\nhttps://b.example/',
    )
    await removeIssuerAccount(user, 'one')
    expect(file()).toBe('https://a.example/ two\nhttps://b.example')
    await removeIssuerAccount(user, 'two')
    expect(file()).toBe('https://a.example/\nhttps://b.example')
  })

  test('that is not there writes nothing', async () => {
    put('user/issuer.config', '[ ]')
    await removeIssuerAccount(user, 'one')
    expect(file()).toBe('[ ]')
  })
})

describe('files that others could have written', () => {
  test.each([
    'user/issuer.config',
    'user/issuer.config.d/more',
    'user/pubclients.config',
    'system/issuer.config',
    'system/issuer.config.d/more',
  ])('%s is refused', async (path) => {
    put(path, '[]')
    await known()
    chmodSync(join(root, path), 0o646)
    await expect(known()).rejects.toMatchObject({
      code: 'file-unreadable',
      message: expect.stringContaining(`${path}: others can write to it`) as string,
    })
  })

  test('issuer.config is not rewritten as a file that only its owner can write', async () => {
    put('user/issuer.config', '[]')
    chmodSync(join(user, 'issuer.config'), 0o666)
    const change = addIssuerAccount(user, 'https://a.example', 'one')
    await expect(change).rejects.toThrow('others can write to it')
    expect(file()).toBe('[]')
  })
})
