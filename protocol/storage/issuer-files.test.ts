import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { issuerFilesState, type KnownIssuer, readKnownIssuers } from './issuer-config.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'issuer-files-'))
})
afterEach(() => {
  rmSync(root, { recursive: true })
})

function put(path: string, text: string): string {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

describe('the state of the issuer files', () => {
  const state = (): Promise<string> => issuerFilesState(join(root, 'user'), join(root, 'system'))

  test('the state of the issuer files stays the same as long as no file changes', async () => {
    put('user/issuer.config', 'https://a.example one')
    put('system/issuer.config.d/x', 'https://b.example')
    expect(await state()).toBe(await state())
  })

  test.each([
    'user/issuer.config',
    'user/pubclients.config',
    'user/issuer.config.d/x',
    'system/issuer.config',
    'system/pubclients.config',
    'system/issuer.config.d/x',
  ])('the state of the issuer files is another one whenever %s changes', async (path) => {
    const states = [await state()]
    const file = put(path, 'a')
    states.push(await state())
    put(path, 'longer')
    states.push(await state())
    utimesSync(file, 1, 1)
    states.push(await state())
    const other = put('other', 'longer')
    utimesSync(other, 1, 1)
    renameSync(other, file)
    states.push(await state())
    rmSync(file)
    expect(new Set(states).size).toBe(states.length)
  })

  test('files that cannot be looked at are part of the state by the reason', async () => {
    const absent = await state()
    mkdirSync(join(root, 'user'))
    symlinkSync('issuer.config', join(root, 'user/issuer.config'))
    expect(absent).toContain(`${join(root, 'user/issuer.config')} ENOENT`)
    expect(await state()).toContain(`${join(root, 'user/issuer.config')} ELOOP`)
  })

  test('the directory and each file have a line of their own in the state', async () => {
    put('system/issuer.config.d/x', '')
    const paths = (await issuerFilesState(undefined, join(root, 'system')))
      .split('\n')
      .map((line) => line.replace(/ .*/, ''))
    expect(paths).toEqual([
      join(root, 'system'),
      join(root, 'system/issuer.config'),
      join(root, 'system/pubclients.config'),
      join(root, 'system/issuer.config.d/x'),
    ])
  })
})

describe('the text of an issuer file', () => {
  /** What a system's issuer.config says, without the fields that are absent. */
  async function known(text: string): Promise<readonly KnownIssuer[]> {
    put('system/issuer.config', text)
    const issuers = await readKnownIssuers(undefined, join(root, 'system'))
    return JSON.parse(JSON.stringify(issuers)) as KnownIssuer[]
  }

  test('JSON may have comments before, between and behind its lines', async () => {
    const text = '# a\n  \n [\n # b\n{"issuer":\n"https://a.example"}]\n#c'
    expect(await known(text)).toEqual([{ issuer: 'https://a.example', accounts: [] }])
  })

  test('brackets further on do not make a text file JSON', async () => {
    expect(await known('https://a.example [x] {y}')).toEqual([
      { issuer: 'https://a.example', accounts: [], registerHint: '[x]', contact: '{y}' },
    ])
  })

  test.each(['http://a.example', 'https://a.example'])(
    '%s is the URL of an issuer',
    async (url) => {
      expect(await known(url)).toEqual([{ issuer: url, accounts: [] }])
    },
  )

  test('a URL inside a word does not make it an issuer', async () => {
    expect(await known('see:https://a.example')).toEqual([])
  })

  test('an entry of a JSON file says how an audience is requested and which product it is', async () => {
    const entry = { issuer: 'https://a.example', audience_parameter: 'both', provider: 'iam' }
    expect(await known(JSON.stringify([entry]))).toEqual([
      { issuer: 'https://a.example', accounts: [], audienceParameter: 'both', provider: 'iam' },
    ])
  })

  test('members that are not texts count as absent', async () => {
    const entry = { issuer: 'https://a.example', contact: 7, cert_path: ['/ca.pem'] }
    expect(await known(JSON.stringify([entry, [entry], null]))).toEqual([
      { issuer: 'https://a.example', accounts: [] },
    ])
  })

  test('the error of broken JSON has the error of the JSON reader as its cause', async () => {
    await expect(known('[{')).rejects.toMatchObject({
      code: 'file-malformed',
      cause: { code: 'bad-request' },
    })
  })

  test('a line of the public clients without a client or an issuer is skipped', async () => {
    put('system/pubclients.config', '\nc\n@https://a.example\n:s@https://a.example\nc@a.example\n')
    expect(await readKnownIssuers(undefined, join(root, 'system'))).toEqual([])
  })
})

test('without a directory of the user only the files of the system count', async () => {
  put('system/pubclients.config', 'c@https://a.example')
  const issuers = await readKnownIssuers(undefined, join(root, 'system'))
  expect(issuers).toMatchObject([{ issuer: 'https://a.example', publicClient: { clientId: 'c' } }])
})

test('a config directory that is a file has no issuers', async () => {
  const file = put('file', '')
  expect(await readKnownIssuers(file, file)).toEqual([])
})
