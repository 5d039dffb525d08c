import { describe, expect, test } from 'vitest'
import {
  AgentError,
  type ErrorCode,
  errorOfReply,
  exitStatus,
  failureReply,
  isErrorCode,
  peerError,
  peerMessages,
} from './errors.ts'

const codes = Object.keys(exitStatus).filter(isErrorCode)

describe('an error', () => {
  test.each(codes)('%s comes back from its reply as it was', (code) => {
    const error = new AgentError(code, 'what failed', { hint: 'do this', cause: new Error('x') })
    const reply = failureReply(error)
    expect(JSON.stringify(reply)).not.toContain('cause')
    const back = errorOfReply(reply)
    expect(back).toBeInstanceOf(AgentError)
    expect(back).toMatchObject({
      name: 'AgentError',
      code,
      message: 'what failed',
      hint: 'do this',
    })
  })

  test('without hint has none on the wire', () => {
    expect(failureReply(peerError('agent-locked'))).toEqual({
      status: 'failure',
      error: 'Agent locked',
      code: 'agent-locked',
    })
  })

  test('keeps its cause', () => {
    const cause = new Error('ECONNRESET')
    expect(peerError('network', { cause }).cause).toBe(cause)
    expect('cause' in peerError('network')).toBe(false)
  })
})

describe('a failure of the C agent', () => {
  test.each(Object.entries(peerMessages))('is %s by its text', (code, error) => {
    expect(errorOfReply({ status: 'failure', error }).code).toBe(code)
  })

  test.each<[string, ErrorCode]>([
    ['Bad Request: could not parse json', 'bad-request'],
    ["Bad request. Required field 'account' not present.", 'provider-error'],
    ['invalid_grant: token expired', 'provider-error'],
  ])('%s is %s', (error, code) => {
    expect(errorOfReply({ status: 'failure', error })).toMatchObject({ code, message: error })
  })

  test('of a code that is none is known by its text', () => {
    const reply = { status: 'failure', error: 'Agent locked', code: 'toString' } as const
    expect(errorOfReply(reply).code).toBe('agent-locked')
  })
})

test('every failure ends with 1, but for what has a status of its own by custom', () => {
  const others = Object.entries(exitStatus).filter(([, status]) => status !== 1)
  expect(Object.fromEntries(others)).toEqual({
    usage: 64,
    'account-not-chosen': 3,
    cancelled: 130,
    'command-not-run': 127,
  })
})
