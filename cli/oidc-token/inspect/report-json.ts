import type { JsonObject } from '../../../protocol/messages.ts'
import { isGood, type Report } from './report.ts'
import { scopeInWords } from './scope-words.ts'

/**
 * The report for machines. Keys stay what they are; there may be more of them one day. The signature,
 * without which the rest is no token, is left out.
 */
export function reportJson(report: Report): JsonObject {
  const { source, token, now } = report
  return {
    from: source.place,
    header: token.header,
    claims: token.claims,
    profile: token.profile.kind,
    subject: orNull(token.subject),
    issuer: orNull(token.issuer),
    audience: token.audience,
    scopes: (token.scopes ?? []).map((scope) => ({ scope, meaning: scopeInWords(scope) })),
    groups: token.groups,
    issued_at: orNull(token.issuedAt),
    not_before: orNull(token.notBefore),
    expires_at: orNull(token.expiresAt),
    seconds_left: token.expiresAt === undefined ? null : Math.floor(token.expiresAt - now),
    algorithm: orNull(token.algorithm),
    key_id: orNull(token.keyId),
    bytes: token.text.length,
    ...judgement(report),
  }
}

/** Only where there was something to judge. */
function judgement({ target, checks }: Report): JsonObject {
  if (checks.length === 0) return {}
  return {
    ...(target === undefined ? {} : { for: { url: target.url, op: target.operation } }),
    checks: checks.map(({ name, ok, reason }) => ({ name, ok, reason })),
    ok: isGood({ checks }),
  }
}

function orNull(value: string | number | undefined): string | number | null {
  return value ?? null
}
