import { describe, expect, test } from 'vitest'
import {
  AgentError,
  type ErrorCode,
  errorCodes,
  errorOfReply,
  failureReply,
  isErrorCode,
  peerError,
} from './errors.ts'

const peerTexts = Object.entries(errorCodes).flatMap(([code, row]) =>
  'peerText' in row ? [[code, row.peerText] as const] : [],
)
const codes = Object.keys(errorCodes).filter(isErrorCode)

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
  test.each(peerTexts)('is %s by its text', (code, error) => {
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
  const statuses = codes.map((code) => [code, errorCodes[code].exitStatus] as const)
  const others = statuses.filter(([, status]) => status !== 1)
  expect(Object.fromEntries(others)).toEqual({
    usage: 64,
    'account-not-chosen': 3,
    cancelled: 130,
    'command-not-run': 127,
  })
})
