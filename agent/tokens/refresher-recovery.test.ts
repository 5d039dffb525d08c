import type { ServerResponse } from 'node:http'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { startLoopbackServer } from '../../test/support/loopback-server.ts'
import { failureOf, noAbort, withoutIssuerFiles } from '../../test/support/oidc-client.ts'
import { AccountWriter } from '../accounts/account-writer.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import { silentLog } from '../log.ts'
import { createOpenIdProvider } from '../oauth/oauth-provider.ts'
import { subjectTokenReader } from '../oauth/subject-token.ts'
import { defaultRequest } from './granted-scope.ts'
import { Refresher } from './refresher.ts'

/** What the provider answers to a refresh with the given refresh token. */
type Answer = (response: ServerResponse, sent: string) => void

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

interface Rig {
  readonly loaded: LoadedAccount
  readonly sent: string[]
  readonly refresher: Refresher
  readonly refresh: (signal?: AbortSignal) => Promise<string>
}

/** An account at a provider that gives these answers, one after the other. */
async function rigWith(answers: readonly Answer[], totalMs = 10_000): Promise<Rig> {
  const queue = [...answers]
  const sent: string[] = []
  const server = await startLoopbackServer(undefined, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.url !== '/token') {
        sendJson(response, 200, { issuer, token_endpoint: `${issuer}/token` })
        return
      }
      const form = new URLSearchParams(Buffer.concat(chunks).toString())
      const refreshToken = form.get('refresh_token') ?? ''
      sent.push(refreshToken)
      queue.shift()?.(response, refreshToken)
    })
  })
  const issuer = `http://localhost:${server.port}`
  const provider = createOpenIdProvider({ timeouts: { totalMs } })
  open.push(provider, server)
  const fields = { name: 'wlcg', issuer_url: issuer, client_id: 'c', refresh_token: 'rt-0' }
  const loaded = new LoadedAccount(accountOf(fields))
  const refresher = new Refresher({
    provider,
    clientConfigs: withoutIssuerFiles,
    writer: new AccountWriter({
      directory: () => Promise.resolve(undefined),
      derive: () => Promise.reject(new Error('no password is known here')),
      runtime: { now: Date.now, random: () => 0 },
      log: silentLog,
    }),
    readSubjectToken: subjectTokenReader({}, provider),
  })
  const refresh = async (signal = noAbort()): Promise<string> =>
    (await refresher.refresh(loaded, defaultRequest, signal)).accessToken
  return { loaded, sent, refresher, refresh }
}

function sendJson(response: ServerResponse, status: number, content: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content))
}

/** A response that replaces the refresh token by `rt-1`. */
const tokens = { access_token: 'at', token_type: 'Bearer', expires_in: 60, refresh_token: 'rt-1' }

const good: Answer = (response) => sendJson(response, 200, { access_token: 'at-good' })
const dead: Answer = (response) => sendJson(response, 400, { error: 'invalid_grant' })

function json(status: number, change: object): Answer {
  return (response) => sendJson(response, status, { ...tokens, ...change })
}

function encoded(coding: string, content: Buffer): Answer {
  return (response) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': coding }
    response.writeHead(200, headers).end(content)
  }
}

/** Ends the connection after `text`, before the body is complete. */
function cutAfter(text: string): Answer {
  return (response) => {
    response.writeHead(200, { 'content-length': text.length + 10 })
    response.write(text, () => response.destroy())
  }
}

const text = JSON.stringify(tokens)
const plain = Buffer.from(text)

describe('a new refresh token in a response that cannot be used', () => {
  test.each<[string, Answer]>([
    ['without an access token', json(200, { access_token: undefined })],
    ['with an empty access token', json(200, { access_token: '' })],
    ['with a number as access token', json(200, { access_token: 5 })],
    ['with status 500', json(500, {})],
    ['with status 503', json(503, {})],
    ['with status 400 and no error', json(400, {})],
    ['with an error and status 200', json(200, { access_token: undefined, error: 'odd' })],
    ['with a connection cut after the body', cutAfter(text)],
    ['with a body cut after the refresh token', cutAfter(text.slice(0, -1))],
    ['with a body that is not JSON', encoded('identity', Buffer.from(`${text}x`))],
  ])('the new refresh token of a response %s is adopted', async (_, answer) => {
    const { loaded, refresh, sent } = await rigWith([answer, good])
    await failureOf(refresh())
    expect(loaded.account.refreshToken?.reveal()).toBe('rt-1')
    expect(loaded.needsSaving || loaded.saved.state === 'no-file').toBe(true)
    expect(await refresh()).toBe('at-good')
    expect(sent).toEqual(['rt-0', 'rt-1'])
  })

  test.each<[string, Answer]>([
    ['with a wrong token type', json(200, { token_type: 'mac' })],
    ['with a bad ID token', json(200, { id_token: 'garbage' })],
    ['compressed by gzip', encoded('gzip', gzipSync(plain))],
    ['compressed by deflate', encoded('deflate', deflateSync(plain))],
    ['compressed by deflate without a header', encoded('deflate', deflateRawSync(plain))],
    ['compressed by brotli', encoded('br', brotliCompressSync(plain))],
    ['compressed twice', encoded('gzip, br', brotliCompressSync(gzipSync(plain)))],
    [
      'with 100 kB of headers',
      (response) => {
        response.setHeader('x-policy', 'p'.repeat(100_000))
        sendJson(response, 200, tokens)
      },
    ],
    [
      'with the old refresh token as a second member',
      (response, sent) => response.end(`${text.slice(0, -1)},"refresh_token":"${sent}"}`),
    ],
  ])('a response %s is used', async (_, answer) => {
    const { loaded, refresh } = await rigWith([answer])
    expect(await refresh()).toBe('at')
    expect(loaded.account.refreshToken?.reveal()).toBe('rt-1')
  })

  test.each<[string, Answer]>([
    ['with status 400', json(400, {})],
    ['with status 500', json(500, {})],
    ['that is cut', cutAfter(text)],
  ])('a wrong refresh token in a response %s loses nothing', async (_, answer) => {
    const { loaded, refresh, sent } = await rigWith([answer, dead, good])
    await failureOf(refresh())
    expect(await refresh()).toBe('at-good')
    expect(sent).toEqual(['rt-0', 'rt-1', 'rt-0'])
    expect(loaded.account.refreshToken?.reveal()).toBe('rt-0')
    expect(loaded.loginExpired).toBe(false)
  })

  test.each<[string, Answer]>([
    ['of an OAuth error response', json(400, { error: 'invalid_request' })],
    ['of an OAuth error response with status 401', json(401, { error: 'invalid_client' })],
    ['of a redirect', json(302, {})],
    ['that is cut', cutAfter(text.slice(0, -2))],
    ['that is nested', (response) => sendJson(response, 500, { data: tokens })],
    ['with a line feed', json(500, { refresh_token: 'rt\n1' })],
    ['of 17 kB', json(500, { refresh_token: 'r'.repeat(17 * 1024) })],
    ['that is not a string', json(500, { refresh_token: 7 })],
    ['that is empty', json(500, { refresh_token: '' })],
  ])('a refresh token %s is not adopted', async (_, answer) => {
    const { loaded, refresh } = await rigWith([answer])
    await failureOf(refresh())
    expect(loaded.account.refreshToken?.reveal()).toBe('rt-0')
  })

  test('a login has ended if the refresh token before is refused as well', async () => {
    const { loaded, refresh, sent } = await rigWith([json(500, {}), dead, dead, dead])
    await failureOf(refresh())
    expect(await failureOf(refresh())).toMatchObject({ code: 'refresh-token-dead' })
    expect(loaded.loginExpired).toBe(true)
    await failureOf(refresh())
    expect(sent).toEqual(['rt-0', 'rt-1', 'rt-0', 'rt-0'])
  })

  test('the refresh token before is forgotten once the new one has worked', async () => {
    const { refresh, sent } = await rigWith([json(500, {}), good, dead, dead])
    await failureOf(refresh())
    await refresh()
    await failureOf(refresh())
    expect(sent).toEqual(['rt-0', 'rt-1', 'rt-1'])
  })
})

describe('a late response', () => {
  /** Answers that wait for a call. */
  function held(answer: Answer): { readonly answer: Answer; readonly release: () => void } {
    let release: () => void = () => undefined
    return {
      answer: (response, sent) => {
        release = () => answer(response, sent)
      },
      release: () => release(),
    }
  }

  test('its client is answered in time, and the next refresh waits for it', async () => {
    const first = held(json(200, {}))
    const { loaded, refresh, refresher, sent } = await rigWith([first.answer, good], 200)
    expect(await failureOf(refresh())).toMatchObject({ code: 'provider-timeout' })
    expect(refresher.awaited()).toEqual(['wlcg'])
    const second = refresh()
    expect(sent).toEqual(['rt-0'])
    first.release()
    expect(await second).toBe('at-good')
    expect(sent).toEqual(['rt-0', 'rt-1'])
    await refresher.settled()
    expect(refresher.awaited()).toEqual([])
    expect(loaded.rotation).toBe('rotates')
  })

  test('a caller that gives up does not end a refresh that was sent', async () => {
    const first = held(json(200, {}))
    const { loaded, refresh, refresher, sent } = await rigWith([first.answer])
    const caller = new AbortController()
    const refreshing = failureOf(refresh(caller.signal))
    await expect.poll(() => sent.length).toBe(1)
    caller.abort()
    expect(await refreshing).toMatchObject({ code: 'cancelled' })
    first.release()
    await refresher.settled()
    expect(loaded.account.refreshToken?.reveal()).toBe('rt-1')
  })

  test('a refresh that waits for a late response of another is not sent after its own deadline', async () => {
    const first = held(json(200, {}))
    const { refresh, refresher, sent } = await rigWith([first.answer], 200)
    await failureOf(refresh())
    const caller = new AbortController()
    const second = failureOf(refresh(caller.signal))
    caller.abort()
    expect(await second).toMatchObject({ code: 'cancelled' })
    first.release()
    await refresher.settled()
    expect(sent).toEqual(['rt-0'])
  })

  test('the late response of a provider that keeps refresh tokens is not awaited', async () => {
    const { refresh, refresher } = await rigWith([good, () => undefined], 200)
    await refresh()
    expect(await failureOf(refresh())).toMatchObject({ code: 'provider-timeout' })
    expect(refresher.awaited()).toEqual([])
  })
})
