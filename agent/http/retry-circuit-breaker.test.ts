import { beforeEach, describe, expect, test } from 'vitest'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import { failureOf } from '../../test/support/oidc-client.ts'
import { CircuitBreaker } from './retry.ts'

let time: number
let calls: number
let breaker: CircuitBreaker

beforeEach(() => {
  time = 5000
  calls = 0
  breaker = new CircuitBreaker(() => time)
})

function fail(code: ErrorCode = 'network', key = 'a'): Promise<AgentError> {
  return failureOf(
    breaker.run(key, () => {
      calls += 1
      return Promise.reject(new AgentError(code, 'a refused', { hint: 'wait' }))
    }),
  )
}

function succeed(key = 'a'): Promise<string> {
  return breaker.run(key, () => {
    calls += 1
    return Promise.resolve('hello')
  })
}

describe('the circuit of a provider that cannot be reached', () => {
  test('after one failure of a provider, the next request is sent', async () => {
    await fail()
    expect(await succeed()).toBe('hello')
  })

  test('after two failures of a provider, requests fail with the last error for one second', async () => {
    await fail()
    await fail('provider-timeout')
    time += 999
    const failure = await failureOf(succeed())
    expect(failure).toMatchObject({
      code: 'provider-timeout',
      message: 'a refused (2 failures in a row; next attempt in 1 s)',
      hint: 'wait',
    })
    expect(calls).toBe(2)
    time += 1
    expect(await succeed()).toBe('hello')
  })

  test('the back-off of a circuit breaker doubles with each failure, up to 30 seconds', async () => {
    await fail()
    const backOffs: number[] = []
    for (let failures = 2; failures <= 9; failures += 1) {
      await fail()
      const before = calls
      const start = time
      while (calls === before) {
        time += 1000
        await fail('cancelled')
      }
      backOffs.push((time - start) / 1000)
    }
    expect(backOffs).toEqual([1, 2, 4, 8, 16, 30, 30, 30])
  })

  test('a success resets the circuit breaker', async () => {
    await fail()
    await fail()
    time += 1000
    await succeed()
    await fail()
    expect(await succeed()).toBe('hello')
  })

  test('failures of one provider do not affect another', async () => {
    await fail()
    await fail()
    expect(await succeed('b')).toBe('hello')
  })

  test('concurrent failures of a provider count once', async () => {
    await Promise.all([fail(), fail(), fail(), fail()])
    expect(await succeed()).toBe('hello')
  })
})

test.each<ErrorCode>(['cancelled', 'tls', 'provider-answer', 'insecure-url'])(
  'the error %s does not open the circuit breaker',
  async (code) => {
    await fail(code)
    await fail(code)
    await fail(code)
    expect(calls).toBe(3)
  },
)
