import { describe, expect, test } from 'vitest'
import {
  AgentError,
  type ErrorCode,
  errorCodes,
  errorOfReply,
  failureReply,
  isErrorCode,
  peerError,
  systemReason,
} from './errors.ts'

const peerTexts = Object.entries(errorCodes).flatMap(([code, row]) =>
  'peerText' in row ? [[code, row.peerText] as const] : [],
)
const codes = Object.keys(errorCodes).filter(isErrorCode)

describe('errors on the wire', () => {
  test.each(codes)('an error with the code %s is the same after a reply has carried it', (code) => {
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

  test('the reply of an error without hint has no info', () => {
    expect(failureReply(peerError('agent-locked'))).toStrictEqual({
      status: 'failure',
      error: 'Agent locked',
      code: 'agent-locked',
    })
  })

  test('an error keeps its cause', () => {
    const cause = new Error('ECONNRESET')
    expect(peerError('network', { cause }).cause).toBe(cause)
    expect('cause' in peerError('network')).toBe(false)
  })
})

describe('failures of the C agent', () => {
  test.each(peerTexts)(
    'the code %s is recognised by the text of the C agent: %s',
    (code, error) => {
      expect(errorOfReply({ status: 'failure', error }).code).toBe(code)
    },
  )

  test.each<[string, ErrorCode]>([
    ['Bad Request: could not parse json', 'bad-request'],
    ["Bad request. Required field 'account' not present.", 'provider-error'],
    ['invalid_grant: token expired', 'provider-error'],
  ])('the error %j has the code %s', (error, code) => {
    expect(errorOfReply({ status: 'failure', error })).toMatchObject({ code, message: error })
  })

  test('a failure with an unknown code is recognised by its text', () => {
    const reply = { status: 'failure', error: 'Agent locked', code: 'toString' } as const
    expect(errorOfReply(reply).code).toBe('agent-locked')
  })
})

test('every error has the exit status 1, except where a custom has another', () => {
  const statuses = codes.map((code) => [code, errorCodes[code].exitStatus] as const)
  const others = statuses.filter(([, status]) => status !== 1)
  expect(Object.fromEntries(others)).toEqual({
    usage: 64,
    'account-not-chosen': 3,
    cancelled: 130,
    'command-not-run': 127,
  })
})

test.each([
  [
    'Unknown system error -122: Unknown system error -122, write',
    'the disk quota is used up (EDQUOT)',
  ],
  [
    "Unknown system error -116: Unknown system error -116, open '/h/a'",
    'the file server no longer knows the file (ESTALE)',
  ],
  [
    "Unknown system error -127: Unknown system error -127, open '/h/a'",
    'the key for the file system has expired, such as a Kerberos ticket (EKEYEXPIRED)',
  ],
  [
    'Unknown system error -126: Unknown system error -126, read',
    'there is no key for the file system, such as a Kerberos ticket (ENOKEY)',
  ],
  [
    'Unknown system error -128: Unknown system error -128, read',
    'the key for the file system was revoked (EKEYREVOKED)',
  ],
  [
    'Unknown system error -129: Unknown system error -129, read',
    'the file system rejected the key (EKEYREJECTED)',
  ],
  ['it was an Unknown system error -122', undefined],
  ['not EACCES: permission denied, open', undefined],
  ['EACCES: permission denied, open /a', undefined],
  ['ENOSPC: no space left on device, write', 'no space left on device'],
  ['Unknown system error -999: Unknown system error -999, write', undefined],
])('the reason of the system error "%s" is readable', (message, reason) => {
  expect(systemReason(new Error(message))).toBe(reason ?? message)
})
