import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AgentOptions } from '../../protocol/wire/agent-options.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { BrowserStartedReply, GenRequest } from '../../protocol/wire/messages.ts'
import { freePort, occupyPort } from '../support/free-port.ts'
import { type AgentUnderTest, inProcess, overPlainSocket, overSealedSocket } from './agents.ts'

const SCHEME = 'edu.kit.data.oidc-agent:/redirect'

describe.each([
  ['in process', inProcess],
  ['over the socket', overPlainSocket],
  ['over the sealed socket', overSealedSocket],
])('logins by browser, %s', (_, start) => {
  let agent: AgentUnderTest
  let port: number
  let uri: string

  beforeEach(async () => {
    agent = await start()
    port = await freePort()
    uri = `http://localhost:${port}/back`
  })

  afterEach(async () => {
    await agent.close()
  })

  async function restart(options: Partial<AgentOptions>): Promise<void> {
    await agent.close()
    agent = await start(options)
  }

  function request(redirectUris: readonly string[] = [uri]): GenRequest {
    return {
      request: 'gen',
      config: {
        name: 'wlcg',
        issuer_url: 'https://op.example/',
        client_id: 'id',
        auth_scope: 'openid offline_access',
        redirect_uris: redirectUris,
        kept: 'unknown key',
      },
      flow: ['code'],
    }
  }

  async function begin(wish: Partial<GenRequest> = {}): Promise<BrowserStartedReply> {
    const reply = await agent.call({ ...request(), ...wish })
    if (!('uri' in reply)) throw new Error('no login by browser')
    return reply
  }

  function lookUp(state: string): Promise<unknown> {
    return agent.call({ request: 'state_lookup', state })
  }

  async function visit(
    query: Readonly<Record<string, string>>,
    base = uri,
  ): Promise<{ status: number; html: string }> {
    const response = await fetch(`${base}?${new URLSearchParams(query).toString()}`)
    return { status: response.status, html: await response.text() }
  }

  const gone = expect.objectContaining({ message: 'fetch failed' }) as unknown

  async function failure(work: Promise<unknown>): Promise<string> {
    const error = await work.then(
      () => undefined,
      (caught: unknown) => caught,
    )
    return error instanceof AgentError ? error.message : `no AgentError: ${String(error)}`
  }

  test('the browser brings the code; the account is fetched once', async () => {
    const { uri: address, state } = await begin()
    expect(new URL(address).searchParams.get('redirect_uri')).toBe(uri)
    expect(await lookUp(state)).toEqual({
      status: 'NotFound',
      info: `No loaded account info found for state=${state}`,
    })
    const page = await visit({ code: 'the-code', state, iss: 'https://op.example/' })
    expect(page.status).toBe(200)
    expect(page.html).toContain('You are logged in')
    expect(page.html).not.toMatch(/the-code|rt of a code|at-\d/)

    const [asked] = agent.provider.authorizations
    const [exchanged] = agent.provider.exchanges
    expect(asked).toMatchObject({ redirectUri: uri, state, scope: 'openid offline_access' })
    expect(exchanged).toMatchObject({
      code: 'the-code',
      redirectUri: uri,
      issuerParameter: 'https://op.example/',
    })
    expect(exchanged?.codeVerifier).toMatch(/^[\w-]{128}$/)
    expect(asked?.codeChallenge).not.toBe(exchanged?.codeVerifier)

    expect(await lookUp(state)).toMatchObject({
      status: 'success',
      config: { name: 'wlcg', refresh_token: 'rt of a code', kept: 'unknown key' },
    })
    expect(await lookUp(state)).toEqual({
      status: 'FoundButReceived',
      info: 'Account config already retrieved',
    })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: ['wlcg'] })
    await expect(visit({ code: 'c1', state })).rejects.toEqual(gone)
  })

  test('a redirect that another program passes on', async () => {
    const { state } = await begin()
    const redirect_uri = `${uri}?${new URLSearchParams({ state, code: 'c%2' }).toString()}#x`
    const reply = await agent.call({ request: 'code_exchange', redirect_uri })
    expect(reply).toMatchObject({ status: 'success', config: { name: 'wlcg' } })
    // The C oidc-gen leaves out the provider's name, which is not held against the login.
    expect(agent.provider.exchanges[0]).toMatchObject({
      code: 'c%2',
      issuerParameter: 'https://published.example/',
    })
    // A second oidc-gen, which started the login, gets it too.
    expect(await lookUp(state)).toMatchObject({ status: 'success' })
    const again = agent.call({ request: 'code_exchange', redirect_uri })
    expect(await failure(again)).toBe('wrong state')
    await expect(visit({ code: 'c1', state })).rejects.toEqual(gone)
  })

  test('from the oidc-gen that saves it: nobody else is given it', async () => {
    const { state } = await begin()
    const redirect_uri = `${uri}?code=c&state=${encodeURIComponent(state)}`
    await agent.call({ request: 'code_exchange', redirect_uri, from_gen: true })
    expect(await lookUp(state)).toMatchObject({ status: 'FoundButReceived' })
  })

  test('only an access token: no account comes of it', async () => {
    const { state } = await begin({ only_at: true })
    expect(state).toMatch(/^0:1/)
    expect(agent.provider.authorizations[0]?.offlineAccess).toBe(false)
    expect((await visit({ code: 'c', state })).html).toContain('access token')
    expect(await lookUp(state)).toMatchObject({ status: 'success', access_token: 'at-0' })
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: [] })
  })

  test('denied: said in the browser and to who waits; the login is over', async () => {
    const { state } = await begin()
    const denial = { error: 'access_denied', error_description: '<b>no</b>', state }
    const page = await visit(denial)
    expect(page.status).toBe(400)
    expect(page.html).toContain('access_denied: &#60;b&#62;no')
    expect(await failure(lookUp(state))).toBe('access_denied: <b>no</b>')
    await expect(visit({ code: 'c', state })).rejects.toEqual(gone)
    expect(agent.provider.exchanges).toEqual([])
  })

  test('denied, passed on by another program', async () => {
    const { state } = await begin()
    const redirect_uri = `${SCHEME}?${new URLSearchParams({ error: 'access_denied', state }).toString()}`
    const reply = agent.call({ request: 'code_exchange', redirect_uri })
    expect(await failure(reply)).toBe('access_denied')
    expect(await failure(lookUp(state))).toBe('access_denied')
  })

  test('strangers are turned away, and the right one is still let in', async () => {
    const { state } = await begin()
    const wrong = `${state.slice(0, -1)}x`
    for (const query of [{ code: 'c' }, { code: 'c', state: wrong }, { state }, { state: '' }]) {
      const page = await visit({ ...query })
      expect([page.status, page.html.includes('Unknown login')]).toEqual([400, true])
      expect(page.html).not.toContain('wlcg')
    }
    // An error without the state may come from anybody.
    expect((await visit({ error: 'access_denied' })).status).toBe(400)
    expect((await visit({ code: 'c', state }, `http://localhost:${port}/other`)).status).toBe(404)
    expect(agent.provider.exchanges).toEqual([])
    expect((await visit({ code: 'c', state })).status).toBe(200)
  })

  test('a page reloaded meanwhile waits for the same exchange', async () => {
    const { state } = await begin()
    const release = agent.provider.hold()
    const pages = [visit({ code: 'c', state }), visit({ code: 'c', state })]
    await expect.poll(() => agent.provider.exchanges.length).toBe(1)
    const redirect_uri = `${uri}?code=c&state=${encodeURIComponent(state)}`
    const other = agent.call({ request: 'code_exchange', redirect_uri })
    expect(await failure(other)).toBe('wrong state')
    expect(await lookUp(state)).toMatchObject({ status: 'NotFound' })
    release()
    for (const page of await Promise.all(pages)) expect(page.status).toBe(200)
    expect(agent.provider.exchanges).toHaveLength(1)
  })

  test('a failed exchange is said on the page and to who waits', async () => {
    const { state } = await begin()
    agent.provider.failure = new AgentError('provider-error', 'invalid_grant: code expired')
    const page = await visit({ code: 'c', state })
    expect(page.status).toBe(502)
    expect(page.html).toContain('invalid_grant: code expired')
    expect(await failure(lookUp(state))).toBe('invalid_grant: code expired')
    expect(await agent.call({ request: 'loaded_accounts' })).toMatchObject({ info: [] })
  })

  test('two logins share the only redirect URI, each with its own code', async () => {
    const one = await begin()
    const two = await begin()
    expect((await visit({ code: 'c2', state: two.state })).status).toBe(200)
    expect((await visit({ code: 'c1', state: one.state })).status).toBe(200)
    const [second, first] = agent.provider.exchanges
    expect([first?.code, second?.code]).toEqual(['c1', 'c2'])
    expect(first?.codeVerifier).not.toBe(second?.codeVerifier)
    await expect(visit({ code: 'c', state: one.state })).rejects.toEqual(gone)
  })

  test('nobody waits any more: the port is given back', async () => {
    const { state } = await begin()
    expect(await agent.call({ request: 'term_http_server', state })).toMatchObject({
      status: 'success',
    })
    await expect(visit({ code: 'c', state })).rejects.toEqual(gone)
    expect(await lookUp(state)).toMatchObject({ status: 'NotFound' })
    const again = await agent.call({ request: 'term_http_server' })
    expect(again).toMatchObject({ status: 'success' })
  })

  test('the first free port of the list is taken', async () => {
    const other = await occupyPort()
    const busy = `http://localhost:${other.port}`
    const { uri: address } = await begin({ config: request([SCHEME, busy, uri]).config })
    expect(new URL(address).searchParams.get('redirect_uri')).toBe(uri)
    const wish = request([busy])
    const refused = await failure(agent.call(wish))
    expect(refused).toBe('Could not start the http server on any of the registered redirect uris.')
    const { uri: byScheme } = await begin({ config: request([busy, SCHEME]).config })
    expect(new URL(byScheme).searchParams.get('redirect_uri')).toBe(SCHEME)
    expect(await failure(agent.call({ ...request([busy, SCHEME]), no_scheme: true }))).toBe(refused)
    await other.close()
  })

  test('without a web server nothing listens; the redirect is passed on', async () => {
    const { uri: address, state } = await begin({ no_webserver: true })
    expect(new URL(address).searchParams.get('redirect_uri')).toBe(uri)
    await expect(visit({ code: 'c', state })).rejects.toEqual(gone)
    const redirect_uri = `${uri}/?code=c&state=${encodeURIComponent(state)}`
    const reply = await agent.call({ request: 'code_exchange', redirect_uri })
    expect(reply).toMatchObject({ config: { name: 'wlcg' } })
    // As it was in the address, whatever the browser made of it.
    expect(agent.provider.exchanges[0]?.redirectUri).toBe(uri)
  })

  test('an agent without web server and without scheme', async () => {
    await restart({ webserver: false })
    const { uri: byScheme } = await begin({ config: request([uri, SCHEME]).config })
    expect(new URL(byScheme).searchParams.get('redirect_uri')).toBe(SCHEME)
    await restart({ webserver: false, customUriScheme: false })
    const { uri: copied } = await begin({ config: request([uri, SCHEME]).config })
    expect(new URL(copied).searchParams.get('redirect_uri')).toBe(uri)
  })

  test('where it cannot be, the next flow is tried', async () => {
    agent.provider.hasCodeFlow = false
    expect(await failure(agent.call({ ...request(), flow: ['code', 'device'] }))).toBe(
      'no device flow here',
    )
    expect(await failure(agent.call(request()))).toBe('no code flow here')
    // Its port is not kept.
    const other = await visit({ code: 'c' }).catch(() => 'nobody')
    expect(other).toBe('nobody')
  })

  test('a locked agent takes no login; the page can be reloaded', async () => {
    const { state } = await begin()
    await agent.call({ request: 'lock', password: 'x' })
    const page = await visit({ code: 'c', state })
    expect(page.status).toBe(503)
    expect(agent.provider.exchanges).toEqual([])
    await agent.call({ request: 'unlock', password: 'x' })
    expect((await visit({ code: 'c', state })).status).toBe(200)
  })

  test.each([
    ['http://localhost:1/', 'redirected uri did not contain state parameter'],
    ['http://localhost:1/?code=x', 'redirected uri did not contain state parameter'],
    ['http://localhost:1/?state=x', 'redirected uri did not contain code parameter'],
    ['http://localhost:1/?state=x&code=y', 'state malformed'],
    ['http://localhost:1/?state=0:0abcdef:3:abc&code=y', 'wrong state'],
  ])('as the C agent: code_exchange of %s', async (redirect_uri, error) => {
    expect(await failure(agent.call({ request: 'code_exchange', redirect_uri }))).toBe(error)
  })

  test('as the C agent: state_lookup of no state', async () => {
    expect(await failure(lookUp('ab'))).toBe('state malformed')
  })
})
