import { agentAddresses, callAgent, TOKEN_TIMEOUT_MS } from '../../protocol/client/call.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { AccessTokenReply, JsonObject } from '../../protocol/wire/messages.ts'
import { visibleText } from '../../protocol/wire/text.ts'
import type { Arguments } from '../arguments.ts'
import { withAutoload } from '../autoload.ts'
import { printInfo } from '../printing.ts'
import type { Io } from '../run.ts'
import { oidcCondorStorer } from './options.ts'
import {
  accountOfService,
  addCredential,
  type CredentialRequest,
  nameOf,
  parseCredentialRequest,
  queryCredential,
  removal,
} from './store-cred.ts'

/**
 * Seconds a stored token is valid at least: until a job starts. Not more, so that one token serves
 * somebody who submits a thousand times.
 */
const MIN_VALID_SECONDS = 600

type StorerArguments = Arguments<typeof oidcCondorStorer.options>

/**
 * `oidc-condor-storer`: stores an access token for each of the services, as HTCondor's
 * `SEC_CREDENTIAL_STORER`. All arguments are understood before anything is stored.
 */
export async function storeCredentials(
  { operands, options }: StorerArguments,
  io: Io,
): Promise<void> {
  const explain = (line: string): void => {
    if (options.verbose || options.debug) io.stderr.write(`${visibleText(line)}\n`)
  }
  for (const wanted of operands.map(parseCredentialRequest)) await store(wanted, io, explain)
}

async function store(
  wanted: CredentialRequest,
  io: Io,
  explain: (line: string) => void,
): Promise<void> {
  const stored = await queryCredential(wanted, io.env)
  explain(`${nameOf(wanted)}: ${stored === 'none' ? 'nothing stored' : 'stored already'}`)
  if (stored === 'otherwise') {
    const message = `the credentials stored for ${nameOf(wanted)} have other scopes or another audience`
    const hint = `Remove them, if no job of yours uses them:\n\t$ ${removal(wanted)}`
    throw new AgentError('credential-not-stored', message, { hint })
  }
  // What is stored as asked is an access token too, and may be about to end: it is replaced.
  const reply = await tokenFor(wanted, io)
  printInfo(reply.info, io)
  const said = await addCredential(wanted, credentialOf(reply, io.now()), io.env)
  if (said !== '') explain(said)
  explain(`${nameOf(wanted)}: stored`)
}

async function tokenFor(wanted: CredentialRequest, io: Io): Promise<AccessTokenReply> {
  const agents = agentAddresses(io.env, io.uid)
  const account = accountOfService(wanted.service, io.env)
  const request = {
    request: 'access_token',
    account,
    scope: wanted.scopes.length === 0 ? undefined : wanted.scopes.join(' '),
    audience: wanted.audience,
    min_valid_period: MIN_VALID_SECONDS,
    application_hint: oidcCondorStorer.name,
  } as const
  return await withAutoload({ account, agents, env: io.env }, () =>
    callAgent(agents.local, request, { timeoutMs: TOKEN_TIMEOUT_MS }),
  )
}

/** The token as an OAuth 2.0 token answer, which is what HTCondor's own credmons write. */
function credentialOf(reply: AccessTokenReply, now: number): JsonObject {
  const { access_token, scope, expires_at } = reply
  return {
    access_token,
    token_type: 'bearer',
    ...(expires_at === 0
      ? {}
      : { expires_in: Math.max(0, expires_at - Math.floor(now / 1000)), expires_at }),
    ...(scope === undefined ? {} : { scope }),
  }
}
