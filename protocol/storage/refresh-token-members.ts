import { createHash } from 'node:crypto'
import type { JsonObject } from '../wire/messages.ts'
import type { Secret } from '../wire/secret.ts'
import { type Account, accountOf, changedFields } from './account.ts'

/**
 * The members of account files that are ours: which of two versions of a file is newer, and what a new
 * refresh token has replaced. The C tools keep them or drop them; an account without them is as good.
 */
const COUNTER = 'refresh_token_counter'
const REPLACES = 'replaces_refresh_token'
const FORMER = 'former_refresh_token'

/** A refresh token in the place of another one of the same login. */
export interface RefreshTokenReplacement {
  readonly refreshToken: Secret
  /** Undefined: the new refresh token needs no former one to fall back to. */
  readonly formerRefreshToken: Secret | undefined
}

/** The account with its refresh token replaced, which counts. */
export function withReplacedToken(account: Account, replacement: RefreshTokenReplacement): Account {
  const fields = changedFields(account.fields.reveal(), replacement)
  const { formerRefreshToken: former } = replacement
  return accountOf({
    ...withFormerToken(fields, former),
    [COUNTER]: account.refreshTokenCounter + 1,
  })
}

/** The account without its former refresh token. */
export function withoutFormerToken(account: Account): Account {
  return accountOf(withFormerToken(account.fields.reveal(), undefined))
}

/**
 * The JSON of an account for its file, which has the JSON `inFile` now: other members of the file stay as
 * they are. If `account` has another refresh token, the text names the one that it replaces, so that it
 * can be told apart if the writer is killed before the rename (see {@link supersedes}).
 */
export function fieldsForFile(inFile: JsonObject, account: Account): JsonObject {
  const before = accountOf(inFile)
  const changed = withFormerToken(changedFields(inFile, account), account.formerRefreshToken)
  const replaced = before.refreshToken
  if (replaced === undefined || replaced.reveal() === account.refreshToken?.reveal()) return changed
  return {
    ...changed,
    [COUNTER]: Math.max(account.refreshTokenCounter, before.refreshTokenCounter + 1),
    [REPLACES]: tokenDigest(replaced),
  }
}

/**
 * Whether the account JSON `leftover` is newer than `inFile`: its counter is higher, and it was made to
 * replace the refresh token that `inFile` has. The latter is no longer so after a login with a program
 * that does not count.
 */
export function supersedes(leftover: JsonObject, inFile: JsonObject): boolean {
  const { refreshToken, refreshTokenCounter } = accountOf(inFile)
  return (
    refreshToken !== undefined &&
    accountOf(leftover).refreshTokenCounter > refreshTokenCounter &&
    leftover[REPLACES] === tokenDigest(refreshToken)
  )
}

/** SHA-256 of a token, base64: tells tokens apart where the token itself is not needed. */
export function tokenDigest(token: Secret): string {
  return createHash('sha256').update(token.reveal()).digest('base64')
}

/**
 * The JSON of an account that gets a new login: without what belongs to the login before. A version of the
 * file that a killed agent has left counts as older.
 */
export function fieldsOfNewLogin(account: Account): JsonObject {
  const { refreshTokenCounter: counter } = account
  const fields = without(account.fields.reveal(), [FORMER, REPLACES])
  return counter === 0 ? fields : { ...fields, [COUNTER]: counter + 1 }
}

function withFormerToken(fields: JsonObject, former: Secret | undefined): JsonObject {
  const others = without(fields, [FORMER])
  return former === undefined ? others : { ...others, [FORMER]: former.reveal() }
}

function without(fields: JsonObject, members: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !members.includes(name)))
}
