import { describe, expect, test } from 'vitest'
import { AgentError } from '../../protocol/wire/errors.ts'
import { proxyFor } from './connection-pools.ts'

const PROXY = 'http://proxy.example:3128'

describe('the proxy of a request', () => {
  test.each<[string, Record<string, string>, boolean]>([
    ['https://iam.example/', {}, false],
    ['https://iam.example/', { HTTPS_PROXY: '' }, false],
    ['https://iam.example/', { HTTPS_PROXY: PROXY }, true],
    ['https://iam.example/', { https_proxy: 'proxy.example:3128' }, true],
    ['https://localhost:8443/', { HTTPS_PROXY: PROXY }, false],
    ['https://127.0.0.1/', { HTTPS_PROXY: PROXY }, false],
    ['https://iam.example/', { HTTPS_PROXY: PROXY, NO_PROXY: '*' }, false],
    ['https://iam.example/', { HTTPS_PROXY: PROXY, no_proxy: 'a.b, iam.example' }, false],
    ['https://iam.cern.example/', { HTTPS_PROXY: PROXY, NO_PROXY: '.cern.example' }, false],
    ['https://iam.cern.example/', { HTTPS_PROXY: PROXY, NO_PROXY: '*.Cern.Example' }, false],
    ['https://iam.example/', { HTTPS_PROXY: PROXY, NO_PROXY: 'am.example' }, true],
    ['https://iam.example/', { HTTPS_PROXY: PROXY, NO_PROXY: 'iam.example:443' }, false],
    ['https://iam.example:8443/', { HTTPS_PROXY: PROXY, NO_PROXY: 'iam.example:443' }, true],
  ])('a request to %s with %j uses the proxy: %s', (url, env, expected) => {
    const proxy = proxyFor(new URL(url), env)
    expect(proxy?.host).toBe(expected ? 'proxy.example:3128' : undefined)
  })

  test.each(['socks5://proxy.example', 'http://', 'https://user:secret@proxy.example'])(
    'a proxy URL %s is refused and does not appear in the error',
    (written) => {
      const ask = (): unknown => proxyFor(new URL('https://iam.example'), { HTTPS_PROXY: written })
      expect(ask).toThrow(AgentError)
      expect(ask).toThrow('HTTPS_PROXY is not the URL of an HTTP proxy')
    },
  )
})
