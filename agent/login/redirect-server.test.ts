import { once } from 'node:events'
import * as http from 'node:http'
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test } from 'vitest'
import {
  type RedirectHandler,
  type RedirectServer,
  startRedirectServer,
} from './redirect-server.ts'
import { resultPage } from './result-page.ts'

const listeners: RedirectServer[] = []

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close()))
})

const login = { account: 'wlcg', issuer: 'https://op.example' }
const success = resultPage({ kind: 'success', login, onlyAccessToken: false })

async function listen(
  answer: RedirectHandler = (path) => Promise.resolve(path === '/' ? success : undefined),
): Promise<RedirectServer> {
  const listener = await startRedirectServer(0, answer)
  if (listener === undefined) throw new Error('no port')
  listeners.push(listener)
  return listener
}

interface Heard {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

async function ask(port: number, options: http.RequestOptions = {}): Promise<Heard> {
  const headers = { host: `localhost:${port}` }
  const request = http.request({ host: '127.0.0.1', port, agent: false, headers, ...options })
  request.end()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  const body = Buffer.concat(parts).toString()
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

const families = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
const hasIpv6 = families.some(({ address }) => address === '::1')

describe('the addresses of the redirect server', () => {
  test('the redirect server listens on 127.0.0.1', async () => {
    const { port } = await listen()
    expect((await ask(port)).body).toBe(success.html)
  })

  test.runIf(hasIpv6)('the redirect server listens on ::1', async () => {
    const { port } = await listen()
    const heard = await ask(port, { host: '::1', headers: { host: `[::1]:${port}` } })
    expect(heard.status).toBe(200)
  })

  const outside = families.find(({ internal, family }) => !internal && family === 'IPv4')?.address
  test.runIf(outside !== undefined)(
    'the redirect server listens on no other address of the machine',
    async () => {
      const { port } = await listen()
      await expect(ask(port, { host: outside ?? '' })).rejects.toThrow(/ECONNREFUSED/)
      // The whole of 127.0.0.0/8 is this machine, but not what was asked for.
      await expect(ask(port, { host: '127.0.0.2' })).rejects.toThrow(/ECONNREFUSED/)
    },
  )

  test.each(['127.0.0.1', ...(hasIpv6 ? ['::1'] : [])])(
    'the redirect server does not start if another program has its port on %s',
    async (host) => {
      const other = createServer().listen(0, host)
      await once(other, 'listening')
      const address = other.address()
      const port = typeof address === 'object' ? (address?.port ?? 0) : 0
      expect(await startRedirectServer(port, () => Promise.resolve(success))).toBeUndefined()
      const closed = once(other, 'close')
      other.close()
      await closed
      const after = await startRedirectServer(port, () => Promise.resolve(success))
      expect(after?.port).toBe(port)
      await after?.close()
    },
  )
})

describe('the requests of the redirect server', () => {
  test.each(['localhost', '127.0.0.1', '[::1]', 'LOCALHOST'])(
    'the redirect server answers a request for the host %s',
    async (name) => {
      const { port } = await listen()
      expect((await ask(port, { headers: { host: `${name}:${port}` } })).status).toBe(200)
    },
  )

  test('the redirect server refuses a request for another host, as of a rebound domain', async () => {
    let asked = 0
    const { port } = await listen(() => {
      asked += 1
      return Promise.resolve(success)
    })
    const hosts = [
      `evil.example:${port}`,
      'localhost',
      `localhost:${port + 1}`,
      `localhost.evil.example:${port}`,
      `localhost:${port}@evil.example`,
    ]
    for (const host of hosts) {
      const heard = await ask(port, { headers: { host } })
      expect([host, heard.status]).toEqual([host, 421])
      expect(heard.body).not.toContain('wlcg')
    }
    expect(asked).toBe(0)
  })

  test.each(['POST', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])(
    'the redirect server refuses the method %s',
    async (method) => {
      const { port } = await listen()
      const heard = await ask(port, { method })
      expect(heard.status).toBe(405)
      expect(heard.headers.allow).toBe('GET')
    },
  )

  test.each(['/favicon.ico', '//', '/%', '/a?state=1'])(
    'the redirect server has no page at %s',
    async (path) => {
      const { port } = await listen()
      expect((await ask(port, { path })).status).toBe(404)
    },
  )

  test('the redirect server has no page for an absolute request target', async () => {
    const { port } = await listen()
    expect((await ask(port, { path: 'http://evil.example/' })).status).toBe(404)
  })

  test('an internal error of the redirect server is a status 500, and the server continues', async () => {
    let faulty = true
    const { port } = await listen(() => {
      if (faulty) return Promise.reject(new TypeError('secret details'))
      return Promise.resolve(success)
    })
    const heard = await ask(port)
    expect(heard.status).toBe(500)
    expect(heard.body).not.toContain('secret')
    faulty = false
    expect((await ask(port)).status).toBe(200)
  })
})

describe('hostile clients of the redirect server', () => {
  test.each([
    ['are silent', ''],
    ['have sent half a request', 'GET / HTTP/1.1\r\nhost: '],
  ])(
    'a browser is served while 100 connections %s, of which the oldest are closed',
    async (_, sent) => {
      const { port } = await listen()
      const sockets = Array.from({ length: 100 }, () => connect(port, '127.0.0.1'))
      const open = new Set(sockets)
      for (const socket of sockets) {
        socket.on('error', () => undefined)
        socket.resume().once('close', () => open.delete(socket))
        if (sent !== '') socket.write(sent)
      }
      await expect.poll(() => open.size).toBe(16)
      expect((await ask(port)).status).toBe(200)
      expect([...open].every((socket) => sockets.indexOf(socket) >= 84)).toBe(true)
      for (const socket of sockets) socket.destroy()
    },
  )

  test('a connection whose request is being answered is not closed for others', async () => {
    let answer: () => void = () => undefined
    let asked: () => void = () => undefined
    const arrived = new Promise<void>((resolve) => {
      asked = resolve
    })
    const { port } = await listen(() => {
      asked()
      return new Promise((resolve) => {
        answer = () => resolve(success)
      })
    })
    const heard = ask(port)
    await arrived
    const sockets = Array.from({ length: 40 }, () => connect(port, '127.0.0.1'))
    for (const socket of sockets) socket.on('error', () => undefined).resume()
    await Promise.all(sockets.slice(0, 20).map((socket) => once(socket, 'close')))
    answer()
    expect((await heard).status).toBe(200)
    for (const socket of sockets) socket.destroy()
  })

  test('the redirect server answers many requests at once', async () => {
    const { port } = await listen()
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(port)))
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
  })

  test('the redirect server refuses endless headers', async () => {
    const { port } = await listen()
    const heard = await ask(port, { headers: { host: 'x', long: 'x'.repeat(40_000) } })
    expect(heard.status).toBe(431)
  })

  test('the redirect server withstands a connection that does not speak HTTP', async () => {
    const { port } = await listen()
    const socket = connect(port, '127.0.0.1')
    socket.end('\u0016\u0003\u0001 this is no HTTP\r\n\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400/)
    socket.destroy()
    expect((await ask(port)).status).toBe(200)
  })
})

test('the redirect server closes each connection, and after its end its port', async () => {
  const listener = await listen()
  expect((await ask(listener.port)).headers.connection).toBe('close')
  await listener.close()
  await expect(ask(listener.port)).rejects.toThrow(/ECONNREFUSED/)
})

test('a redirect server that closes still sends the response it is preparing', async () => {
  let answer: () => void = () => undefined
  let asked: () => void = () => undefined
  const arrived = new Promise<void>((resolve) => {
    asked = resolve
  })
  const listener = await listen(() => {
    asked()
    return new Promise((resolve) => {
      answer = () => resolve(success)
    })
  })
  const heard = ask(listener.port)
  await arrived
  const closed = listener.close()
  answer()
  expect((await heard).body).toBe(success.html)
  await closed
})
