import { AgentError } from '../wire/errors.ts'

/** XRootD accepts no larger file (`maxsz` of ztn, wlcg.md §5), its end of line included. */
export const MAX_TOKEN_FILE_BYTES = 4096

/** The size of a new file is a multiple of this. */
const SIZE_STEP_BYTES = 256
/** Room for a token that is a little longer than the one before, as by one more digit in it. */
const ROOM_BYTES = 32

/** A bearer token (RFC 6750 §2.1); readers refuse a file with anything else in it. */
const bearerToken = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * The content of a token file: the token on one line, padded with spaces to the size of the file before.
 * XRootD's ztn client asks for the file's size and then reads as many bytes: if a longer file takes its
 * place in between, the client would take a part of the token for the whole. Bearer token discovery
 * strips white space from both ends, so no reader sees the spaces.
 * @throws AgentError `provider-answer` if the text is not a bearer token or does not fit
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
