import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../protocol/wire/secret.ts'
import { type LoopbackServer, startLoopbackServer } from '../../test/support/loopback-server.ts'
import { createOpenIdProvider } from './oauth-provider.ts'
import type { OpenIdProvider } from './provider.ts'

let platform: LoopbackServer
let oidc: OpenIdProvider
let requests: { url: string; authorization: string | undefined }[]
let scripted: { status: number; body: string }

beforeEach(async () => {
  requests = []
  scripted = { status: 200, body: JSON.stringify({ count: 1, value: 'ID.TOK.EN' }) }
  oidc = createOpenIdProvider()
  platform = await startLoopbackServer(undefined, ({ url = '', headers }, response) => {
    requests.push({ url, authorization: headers.authorization })
    response.writeHead(scripted.status, { 'content-type': 'application/json' }).end(scripted.body)
  })
})

afterEach(async () => {
  await oidc.close()
  await platform.close()
})

function ask(path = '/token?api-version=2.0'): Promise<Secret> {
  const url = `http://127.0.0.1:${platform.port}${path}`
  const request = { url, bearer: new Secret('JOB'), audience: 'https://idp.example/a b' }
  return oidc.ciToken(request, new AbortController().signal)
}

describe('the ID token of a CI job', () => {
  test('the request for an ID token has the token of the job and the audience', async () => {
    expect((await ask()).reveal()).toBe('ID.TOK.EN')
    expect(requests).toHaveLength(1)
    const url = new URL(requests[0]?.url ?? '', 'http://platform')
    expect(requests[0]?.authorization).toBe('Bearer JOB')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      'api-version': '2.0',
      audience: 'https://idp.example/a b',
    })
  })

  test.each([
    [403, '{"message":"no"}', 'with status 403'],
    [200, '{}', 'without a token'],
    [200, 'no JSON', 'without a token'],
    [200, '{"value":""}', 'without a token'],
  ])('a response with status %i and %s has no ID token', async (status, body, reason) => {
    scripted = { status, body }
    const host = `127.0.0.1:${platform.port}`
    await expect(ask()).rejects.toMatchObject({
      code: 'no-subject-token',
      message: `${host} answered ${reason} to the CI job`,
    })
  })

  test('the request for an ID token is refused over plain http to another machine', async () => {
    const request = { url: 'http://192.0.2.1/', bearer: new Secret('JOB'), audience: 'a' }
    await expect(oidc.ciToken(request, new AbortController().signal)).rejects.toMatchObject({
      code: 'insecure-url',
    })
  })
})
