import { AgentError } from '../../protocol/errors.ts'

/**
 * Checks that `uri` is an address a browser was redirected to after a login, and gives its state.
 * What the provider says of an error is for the agent to tell, which ends the login then.
 * @throws AgentError `bad-request`
 */
export function checkRedirected(uri: string): string {
  const start = uri.indexOf('?')
  const query = new URLSearchParams(start < 0 ? '' : uri.slice(start + 1))
  const state = query.get('state') ?? ''
  if (state === '') throw lacks('a state')
  if ((query.get('error') ?? '') === '' && (query.get('code') ?? '') === '') throw lacks('a code')
  return state
}

/** The path of the agent's socket that a login's state holds (protocol.md §2.5). */
export function socketIn(state: string): string | undefined {
  const [, length, encoded] = /^\d:[^:]*:(\d+):([\w-]+)$/.exec(state) ?? []
  if (encoded === undefined) return undefined
  const path = Buffer.from(encoded, 'base64url')
  return path.length === Number(length) ? path.toString() : undefined
}

function lacks(what: string): AgentError {
  return new AgentError('bad-request', `Uri does not contain ${what}`, {
    hint: 'Copy the whole address that the browser shows after the login, and put it in single quotes.',
  })
}
