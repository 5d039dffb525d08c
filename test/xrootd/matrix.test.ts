import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Finished, shown } from '../support/command.ts'
import { CLAIM_CASES, REFUSALS, SCOPE_CASES, type Verdict } from './cases.ts'
import { ALL_OPERATIONS, type Attempt, OPERATIONS, type Operation } from './operations.ts'
import { newToken, openSite, present, restore, runClient, type Site } from './site.ts'
import { skipped, xrootd55Missing } from './xrootd-missing.ts'

/** How XRootD's clients end: 52 where the login fails, 54 where the server refuses (XrdClStatus). */
const ROOT_STATUS = { login: 52, access: 54 }
/** curl's for an HTTP status of 400 and more; XrdHttp says 403 to everything. */
const CURL_STATUS = 22

const missing = xrootd55Missing()

describe.skipIf(missing !== undefined)(
  `what XRootD 5.5 does with a token${skipped(missing)}`,
  () => {
    let site: Site

    beforeAll(async () => {
      site = await openSite()
    })
    afterAll(() => site.close())
    beforeEach(() => restore(site))

    describe.each(SCOPE_CASES)('$scope', ({ scope, permits }) => {
      test.each(ALL_OPERATIONS)('%s', async (operation) => {
        const token = await present(site, newToken(site, { scope }))
        const attempt = { site, token, path: '/public/hello.txt' }
        const verdict = permits.includes(operation) ? 'accepted' : 'not covered by its scopes'
        await expectVerdict(operation, attempt, verdict)
      })
    })

    describe.each(CLAIM_CASES)('$title: $verdict', (row) => {
      test.each(['root read', 'https get'] as const)('%s', async (operation) => {
        const token = await present(site, newToken(site, row.claims, row.header))
        const attempt = { site, token, path: row.path ?? '/public/hello.txt' }
        await expectVerdict(operation, attempt, row.verdict)
      })
    })

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
      verdict: keyof typeof REFUSALS,
      said: Finished,
      from: number,
    ): Promise<void> {
      await site.server.log.line(REFUSALS[verdict].log, { from })
      expect(said.stderr).toMatch(/permission denied|No protocols left to try|error: 403/)
    }
  },
)

function statusFor(operation: Operation, verdict: Verdict): number {
  if (verdict === 'accepted') return 0
  if (operation.startsWith('https')) return CURL_STATUS
  return ROOT_STATUS[REFUSALS[verdict].at]
}
