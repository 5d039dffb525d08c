import { beforeEach, describe, expect, test } from 'vitest'
import { AgentError, type ErrorCode } from '../../protocol/wire/errors.ts'
import { failureOf } from '../../test/support/oidc-client.ts'
import { CircuitBreaker } from './retry.ts'

let time: number
let asked: number
let pauses: CircuitBreaker

beforeEach(() => {
  time = 5000
  asked = 0
  pauses = new CircuitBreaker(() => time)
})

function fail(code: ErrorCode = 'network', key = 'a'): Promise<AgentError> {
  return failureOf(
    pauses.run(key, () => {
      asked += 1
      return Promise.reject(new AgentError(code, 'a refused', { hint: 'wait' }))
    }),
  )
}

function succeed(key = 'a'): Promise<string> {
  return pauses.run(key, () => {
    asked += 1
    return Promise.resolve('hello')
  })
}

describe('somebody who cannot be reached', () => {
  test('is asked again at once after one failure', async () => {
    await fail()
    expect(await succeed()).toBe('hello')
  })

  test('is left alone for a second after two, and who asks hears the last reason', async () => {
    await fail()
    await fail('provider-timeout')
    time += 999
    const failure = await failureOf(succeed())
    expect(failure).toMatchObject({
      code: 'provider-timeout',
      message: 'a refused (2 times in a row; not asked again for 1 s)',
      hint: 'wait',
    })
    expect(asked).toBe(2)
    time += 1
    expect(await succeed()).toBe('hello')
  })

  test('is left alone for longer and longer, up to half a minute', async () => {
    await fail()
    const waited: number[] = []
    for (let failures = 2; failures <= 9; failures += 1) {
      await fail()
      const before = asked
      const start = time
      while (asked === before) {
        time += 1000
        await fail('cancelled')
      }
      waited.push((time - start) / 1000)
    }
    expect(waited).toEqual([1, 2, 4, 8, 16, 30, 30, 30])
  })

  test('is forgiven everything at the first success', async () => {
    await fail()
    await fail()
    time += 1000
    await succeed()
    await fail()
    expect(await succeed()).toBe('hello')
  })

  test('does not concern others', async () => {
    await fail()
    await fail()
    expect(await succeed('b')).toBe('hello')
  })

  test('is counted once for all who asked at the same time', async () => {
    await Promise.all([fail(), fail(), fail(), fail()])
    expect(await succeed()).toBe('hello')
  })
})

test.each<ErrorCode>(['cancelled', 'tls', 'provider-answer', 'insecure-url'])(
  '%s says nothing about whether somebody is there',
  async (code) => {
    await fail(code)
    await fail(code)
    await fail(code)
    expect(asked).toBe(3)
  },
)
