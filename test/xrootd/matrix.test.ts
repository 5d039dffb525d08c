import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Finished, shown } from '../support/command.ts'
import { CLAIM_CASES, type ClaimCase, REJECTIONS, SCOPE_CASES, type Verdict } from './cases.ts'
import { ALL_OPERATIONS, type Attempt, OPERATIONS, type Operation } from './operations.ts'
import { newToken, openSite, present, restore, runClient, type Site } from './site.ts'
import { skipped, xrootd55Missing } from './xrootd-missing.ts'

/** Exit statuses of XRootD's clients: 52 if the login fails, 54 if the server denies access (XrdClStatus). */
const ROOT_STATUS = { login: 52, access: 54 }
/** Exit status of curl for an HTTP status of 400 or more; XrdHttp always answers 403. */
const CURL_STATUS = 22

const missing = xrootd55Missing()

describe.skipIf(missing !== undefined)(`XRootD 5.5 and tokens${skipped(missing)}`, () => {
  let site: Site

  beforeAll(async () => {
    site = await openSite()
  })
  afterAll(() => site.close())
  beforeEach(() => restore(site))

  test.each(scopeCases())(
    '"$operation" with the scope "$scope" gets the verdict "$verdict"',
    async ({ scope, operation, verdict }) => {
      const token = await present(site, newToken(site, { scope }))
      const attempt = { site, token, path: '/public/hello.txt' }
      await expectVerdict(operation, attempt, verdict)
    },
  )

  test.each(claimCases())(
    '"$operation" with $title gets the verdict "$verdict"',
    async ({ claims, header, path = '/public/hello.txt', operation, verdict }) => {
      const token = await present(site, newToken(site, claims, header))
      await expectVerdict(operation, { site, token, path }, verdict)
    },
  )

  async function expectVerdict(
    operation: Operation,
    attempt: Attempt,
    verdict: Verdict,
  ): Promise<void> {
    const { command, happened } = OPERATIONS[operation]
    const from = site.server.log.length
    const env = { BEARER_TOKEN_FILE: attempt.token.file }
    const said = await runClient(site, command(attempt), env)
    const report = `${shown(said)}\n${site.server.log.since(from)}`
    expect(said.status, report).toBe(statusFor(operation, verdict))
    expect(await happened(attempt, said), report).toBe(verdict === 'accepted')
    if (verdict !== 'accepted') await expectReason(verdict, said, from)
  }

  async function expectReason(
    verdict: keyof typeof REJECTIONS,
    said: Finished,
    from: number,
  ): Promise<void> {
    await site.server.log.line(REJECTIONS[verdict].log, { from })
    expect(said.stderr).toMatch(/permission denied|No protocols left to try|error: 403/)
  }
})

/** Each scope with each operation. */
function scopeCases(): readonly { scope: string; operation: Operation; verdict: Verdict }[] {
  return SCOPE_CASES.flatMap(({ scope, permits }) =>
    ALL_OPERATIONS.map((operation) => {
      const verdict = permits.includes(operation) ? 'accepted' : 'not covered by its scopes'
      return { scope, operation, verdict }
    }),
  )
}

/** Each token with an operation of both protocols. */
function claimCases(): readonly (ClaimCase & { operation: Operation })[] {
  return CLAIM_CASES.flatMap((one) =>
    (['root read', 'https get'] as const).map((operation) => ({ ...one, operation })),
  )
}

function statusFor(operation: Operation, verdict: Verdict): number {
  if (verdict === 'accepted') return 0
  if (operation.startsWith('https')) return CURL_STATUS
  return ROOT_STATUS[REJECTIONS[verdict].at]
}
