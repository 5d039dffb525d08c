import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  deriveKey,
  openAccountFile,
  openCurrent,
  parseFileLines,
  sealCurrent,
  unlockAccountFile,
} from '../protocol/storage/account-file.ts'
import { openSealedChannel, sealText } from '../protocol/wire/encryption.ts'
import { RequestReader, SealedTextReader } from '../protocol/wire/framing.ts'
import { isJsonObject, parseTolerantJson } from '../protocol/wire/json.ts'
import { type JsonObject, parseReply, parseRequest } from '../protocol/wire/messages.ts'
import { loadSodium, type Sodium } from '../protocol/wire/sodium.ts'

/** Files and exchanges recorded with the C programs; protocol.md §5 has their origin. */
const vectors = join(import.meta.dirname, 'vectors')

let sodium: Sodium
beforeAll(async () => {
  sodium = await loadSodium()
})

describe.each(['c426-v1', 'c426-v2', 'c533-v4', 'c533-v5', 'hex-sodium23'])('file %s', (name) => {
  const text = read(`${name}.enc`)
  const password = read(`${name}.password`)
  const fields = objectOf(`${name}.plain.json`)

  test(`the recorded file ${name} opens to the JSON that the C tool printed`, async () => {
    const opened = await unlockAccountFile(text, password)
    expect(opened.fields).toEqual(fields)
    expect(Object.keys(opened.fields)).toEqual(Object.keys(fields))
  })

  test(`the recorded file ${name} does not open with another password`, async () => {
    const opening = unlockAccountFile(text, `${password}x`)
    await expect(opening).rejects.toMatchObject({ code: 'wrong-password' })
  })
})

describe.each(['c426-v1', 'c426-v2', 'c533-v4', 'c533-v5'])('file %s', (name) => {
  test(`the recorded file ${name} is encrypted again to the same bytes except the version`, async () => {
    const text = read(`${name}.enc`)
    const file = parseFileLines(text)
    if (file.format !== 'current') throw new Error('not in the current format')
    const key = { salt: file.salt, bytes: await deriveKey(read(`${name}.password`), file.salt) }
    const sealed = sealCurrent(sodium, openCurrent(sodium, file, key), key, file.nonce)
    expect(sealed).toBe(text.replace(/[\d.]+$/, '5.3.3'))
    expect(await openAccountFile(text, key)).toEqual(objectOf(`${name}.plain.json`))
  })
})

test.each(['gpg-426', 'gpg-533'])(
  'the recorded file %s is recognised as encrypted with GPG',
  async (name) => {
    const opening = unlockAccountFile(read(`${name}.sample.asc`), 'any')
    await expect(opening).rejects.toMatchObject({ code: 'file-gpg' })
  },
)

describe.each(['ipc-426', 'ipc-426-status', 'ipc-533', 'ipc-533-status'])('exchange %s', (name) => {
  const exchange = objectOf(`${name}.json`)
  const wire = exchange['wire']
  if (!isJsonObject(wire)) throw new Error('no wire texts')

  const channel = () => {
    const first = new RequestReader().push(Buffer.from(text(wire, 'm2_agent_pk')))
    if (first?.kind !== 'key') throw new Error('no key')
    return openSealedChannel(sodium, first.publicKey, clientKeys(exchange))
  }

  test(`the recorded exchange ${name} begins with the client key`, () => {
    expect(channel().publicKeyText).toBe(text(wire, 'm1_client_pk'))
  })

  test.each([
    ['m3_request', 'request_plain'],
    ['m4_reply', 'reply_plain'],
  ])(
    `%s of the recorded exchange ${name} opens to %s and is encrypted to the same text`,
    (message, plain) => {
      const sealed = new SealedTextReader().push(Buffer.from(text(wire, message))) ?? ''
      const plaintext = text(exchange, plain)
      expect(channel().open(sealed)).toBe(plaintext)

      const nonce = Buffer.from(sealed.split(':')[1] ?? '', 'base64')
      const key = Buffer.from(text(exchange, 'shared_key_b64'), 'base64')
      expect(sealText(sodium, key, plaintext, nonce)).toBe(sealed)
    },
  )

  test(`the recorded exchange ${name} parses as a request and a successful reply`, () => {
    const request = parseTolerantJson(text(exchange, 'request_plain'))
    if (!isJsonObject(request)) throw new Error('no request')
    const { request: type } = parseRequest(request)
    expect(parseReply(type, text(exchange, 'reply_plain')).status).toBe('success')
  })
})

function clientKeys(exchange: JsonObject): Parameters<typeof openSealedChannel>[2] {
  const secret = Buffer.from(text(exchange, 'client_sk_b64'), 'base64')
  const publicKey = Buffer.from(text(exchange, 'client_pk_b64'), 'base64')
  const jwk = {
    kty: 'OKP',
    crv: 'X25519',
    d: secret.toString('base64url'),
    x: publicKey.toString('base64url'),
  }
  return { publicKey, privateKey: createPrivateKey({ format: 'jwk', key: jwk }) }
}

function read(name: string): string {
  return readFileSync(join(vectors, name), 'utf8')
}

function objectOf(name: string): JsonObject {
  const value = parseTolerantJson(read(name))
  if (!isJsonObject(value)) throw new Error(`${name} is no object`)
  return value
}

function text(object: JsonObject, key: string): string {
  const value = object[key]
  if (typeof value !== 'string') throw new Error(`no text ${key}`)
  return value
}
