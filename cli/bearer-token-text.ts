import { AgentError } from '../protocol/errors.ts'
import { isJsonObject, parseTolerantJson } from '../protocol/json.ts'

/** The C `isspace` characters, which Bearer Token Discovery strips on both sides. */
const space = /^[ \f\n\r\t\v]+|[ \f\n\r\t\v]+$/g

/** RFC 6750 §2.1 `b64token`. */
const bearerToken = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * The access token in the text of a token file: either the bare token, as WLCG Bearer Token Discovery
 * has it, or JSON with an `access_token`, as the OAuth credmon of HTCondor writes its `.use` files.
 * @throws AgentError `file-malformed` where it is neither
 */
export function tokenOfUseFile(text: string): string {
  const bare = text.replace(space, '')
  const token = bare.startsWith('{') ? tokenOfJson(bare) : bare
  if (bearerToken.test(token)) return token
  const fault = bare === '' ? 'the token file is empty' : 'the token file holds no bearer token'
  throw new AgentError('file-malformed', fault)
}

function tokenOfJson(text: string): string {
  try {
    const value = parseTolerantJson(text)
    const token = isJsonObject(value) ? value['access_token'] : undefined
    return typeof token === 'string' ? token : ''
  } catch (cause) {
    // The parser's message could hold a piece of the text.
    throw new AgentError('file-malformed', 'the token file holds damaged JSON', { cause })
  }
}
