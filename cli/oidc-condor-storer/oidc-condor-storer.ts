import { agentAddresses, callAgent } from '../../protocol/client/call.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { AccessTokenReply, JsonObject } from '../../protocol/wire/messages.ts'
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
  removalCommand,
} from './store-cred.ts'

/**
 * Seconds that a stored token is valid, at least: it must live until the job starts. Not more, so that the
 * agent answers a thousand submissions from its cache.
 */
const MIN_VALID_SECONDS = 600

type StorerArguments = Arguments<typeof oidcCondorStorer.options>

/**
 * `oidc-condor-storer`, HTCondor's `SEC_CREDENTIAL_STORER`: stores an access token for each service. All
 * arguments are parsed before the first token is stored.
 */
export async function storeCredentials(
  { operands, options }: StorerArguments,
  io: Io,
): Promise<void> {
  const explain = (line: string): void => {
    if (options.verbose || options.debug) io.stderr.write(`${line}\n`)
  }
  for (const request of operands.map(parseCredentialRequest)) await store(request, io, explain)
}

async function store(
  request: CredentialRequest,
  io: Io,
  explain: (line: string) => void,
): Promise<void> {
  const name = nameOf(request)
  const stored = await queryCredential(request, io.env)
  explain(`${name}: ${stored === 'none' ? 'nothing stored' : 'stored already'}`)
  if (stored === 'otherwise') {
    const message = `the credentials stored for ${name} have other scopes or another audience`
    const hint = `If none of your jobs uses them, remove them:\n\t$ ${removalCommand(request)}`
    throw new AgentError('credential-not-stored', message, { hint })
  }
  // A stored credential is replaced: it is an access token, which may expire soon.
  const reply = await tokenFor(request, io)
  printInfo(reply.info, io)
  const output = await addCredential(request, credentialOf(reply, io.now()), io.env)
  if (output !== '') explain(output)
  explain(`${name}: stored`)
}

async function tokenFor(
  { service, scopes, audience }: CredentialRequest,
  io: Io,
): Promise<AccessTokenReply> {
  const agents = agentAddresses(io.env, io.uid)
  const account = accountOfService(service, io.env)
  const request = {
    request: 'access_token',
    account,
    scope: scopes.length === 0 ? undefined : scopes.join(' '),
    audience,
    min_valid_period: MIN_VALID_SECONDS,
    application_hint: oidcCondorStorer.name,
  } as const
  return await withAutoload({ account, agents, env: io.env }, () =>
    callAgent(agents.local, request),
  )
}

/** The token as a token response (RFC 6749 §5.1), the form that HTCondor's own credmons write. */
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
