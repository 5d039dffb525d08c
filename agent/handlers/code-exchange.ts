import { AgentError } from '../../protocol/errors.ts'
import { errorIn } from '../login/code-logins.ts'
import type { Handler } from '../services.ts'

/** Shorter ones are nobody's: the C agent reads three characters before it looks for a login. */
const SHORTEST_STATE = 3

/** Finishes a login by browser whose redirect came to another program (protocol.md §2.5). */
export const codeExchange: Handler<'code_exchange'> = (request, { authorizationSessions }) => {
  const query = queryOf(request.redirect_uri)
  const state = query.get('state') ?? ''
  if (state === '') throw bad('redirected uri did not contain state parameter')
  const refusal = errorIn(query)
  if (refusal !== undefined) throw authorizationSessions.refuse(state, refusal)
  const code = query.get('code') ?? ''
  if (code === '') throw bad('redirected uri did not contain code parameter')
  if (state.length < SHORTEST_STATE) throw bad('state malformed')
  const answer = { code, issuerParameter: query.get('iss') ?? undefined, isPassedOn: true }
  return authorizationSessions.exchange(state, answer, request.from_gen ?? false)
}

/** What became of a login by browser. */
export const stateLookup: Handler<'state_lookup'> = ({ state }, { authorizationSessions }) => {
  if (state.length < SHORTEST_STATE) throw bad('state malformed')
  return authorizationSessions.fetch(state)
}

/** Gives up a login by browser. That it is not known, or over, is no error. */
export const termHttpServer: Handler<'term_http_server'> = (
  { state },
  { authorizationSessions },
) => {
  if (state !== undefined) authorizationSessions.end(state)
  return { status: 'success' }
}

/** What follows the first question mark; clients send more than URLs here. */
function queryOf(redirected: string): URLSearchParams {
  const start = redirected.indexOf('?')
  const query = start < 0 ? '' : redirected.slice(start + 1)
  return new URLSearchParams(query.replace(/#.*$/s, ''))
}

function bad(text: string): AgentError {
  return new AgentError('bad-request', text)
}
