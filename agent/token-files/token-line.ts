import { AgentError } from '../../protocol/wire/errors.ts'

/** XRootD takes no larger file (`maxsz` of ztn, wlcg.md §5), its end of line included. */
export const MAX_TOKEN_FILE_BYTES = 4096

/** Sizes are multiples of this where the file is new. */
const SIZE_STEP_BYTES = 256
/** Room for a token that turns out a little longer than the one before, as by one more digit in it. */
const ROOM_BYTES = 32

/** What RFC 6750 §2.1 lets a bearer token be; readers refuse a file with anything else in it. */
const bearerToken = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * What a token file holds: the token on one line, spaces after it up to the size the file had before.
 * XRootD's ztn client asks for the file's size and then reads as many bytes: where the file is
 * replaced in between by a longer one, it would take a part of the token for the whole. Bearer token
 * discovery strips white space from both ends, so the spaces are nothing to any reader.
 * @throws AgentError `provider-answer` where the token is none or does not fit.
 */
export function tokenLine(token: string, sizeBefore = 0): string {
  if (!bearerToken.test(token)) {
    throw new AgentError(
      'provider-answer',
      'the access token from the provider contains characters no bearer token may have; not written to a file',
    )
  }
  const needed = token.length + 1
  if (needed > MAX_TOKEN_FILE_BYTES) {
    throw new AgentError(
      'provider-answer',
      `the access token is ${token.length} characters long: with its end of line, more than the ${MAX_TOKEN_FILE_BYTES} bytes a token file may have`,
      { hint: 'Ask for fewer scopes (-s); groups and entitlements make tokens long, too.' },
    )
  }
  return `${token.padEnd(sizeFor(needed, sizeBefore) - 1)}\n`
}

function sizeFor(needed: number, before: number): number {
  if (needed <= before && before <= MAX_TOKEN_FILE_BYTES) return before
  const stepped = Math.ceil((needed + ROOM_BYTES) / SIZE_STEP_BYTES) * SIZE_STEP_BYTES
  return Math.min(stepped, MAX_TOKEN_FILE_BYTES)
}

/** Whether this could be the content of a token file, so that nothing is lost if it is replaced. */
export function isTokenText(text: string): boolean {
  const line = text.trim()
  return line === '' || bearerToken.test(line)
}
