import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { accountOf } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { isNonInteractive } from '../non-interactive.ts'
import { passwordEntry } from '../passwords.ts'
import { printInfo } from '../printing.ts'
import { interruptible } from '../signals.ts'
import { fieldText, isUnattendedGrant } from './account-json.ts'
import { type BrowserEnd, hasDisplay, waitForBrowser } from './code-flow.ts'
import type { GenContext } from './context.ts'
import { waitForApproval } from './device-flow.ts'
import { withCredentials } from './questions.ts'

/** What the C tool prints after a flow that needs nobody's approval. */
export const DONE_AT_ONCE =
  "success\nThe generated account config was successfully added to oidc-agent. You don't have to run oidc-add.\n"

/** Flow names for the agent, most wanted first. A refresh token at hand is tried before all else. */
export function wantedFlows({ io, options, refreshToken }: GenContext): readonly string[] {
  if (refreshToken !== undefined) return [...new Set(['refresh', ...options.flow])]
  if (options.flow.length > 0) return options.flow
  return hasDisplay(io.env) ? ['code', 'device'] : ['device']
}

/** An account that was made without a person is made anew without one. */
function flowsFor(fields: JsonObject, context: GenContext): readonly string[] {
  const grant = fieldText(fields, 'grant')
  const isChosen = context.options.flow.length > 0 || context.refreshToken !== undefined
  return grant !== undefined && isUnattendedGrant(grant) && !isChosen
    ? [grant]
    : wantedFlows(context)
}

/**
 * Logs in: the account with its refresh token, which the agent has loaded by then; undefined where
 * another oidc-gen is handed the redirect and saves it.
 */
export async function login(
  fields: JsonObject,
  context: GenContext,
): Promise<JsonObject | undefined> {
  if (context.options.skipCheck) return unchecked(fields, context)
  const reply = await runFlow(fields, false, context).catch((error: unknown) => {
    throw isWithoutSubject(error) ? elsewhere(error) : error
  })
  if (reply === undefined) return undefined
  if (!('config' in reply)) throw malformed('replied to a login without the account')
  printInfo(reply.info, context.io)
  // What the C agent does not know, such as the client's registration, is not in its reply.
  return { ...fields, ...reply.config }
}

/** The account as it is, for each token of which the flow is repeated; the agent is to read it anew. */
async function unchecked(fields: JsonObject, { agent, options }: GenContext): Promise<JsonObject> {
  await unloadAccount(accountOf(fields).name, agent)
  return { ...fields, grant: options.flow[0] ?? '' }
}

function isWithoutSubject(error: unknown): error is AgentError {
  return error instanceof AgentError && error.code === 'no-subject-token'
}

/** The token to exchange is in the job the account is made for, and rarely where it is made. */
function elsewhere(error: AgentError): AgentError {
  const hint = `${error.hint ?? ''}\nAn account for another place is made with --skip-check.`
  return new AgentError(error.code, error.message, { hint: hint.trim(), cause: error })
}

/** Logs in for one access token: the agent keeps nothing. */
export async function loginForToken(
  fields: JsonObject,
  context: GenContext,
): Promise<string | undefined> {
  const reply = await runFlow(fields, true, context)
  if (reply === undefined) return undefined
  if (!('access_token' in reply)) throw malformed('replied without a token')
  printInfo(reply.info, context.io)
  return reply.access_token
}

async function runFlow(
  fields: JsonObject,
  onlyToken: boolean,
  context: GenContext,
): Promise<BrowserEnd> {
  const { agent, host, io, options, sources } = context
  return interruptible(host.onInterrupt, async (signal) => {
    const flow = flowsFor(fields, context)
    const request = {
      request: 'gen',
      config: await withCredentials(fields, flow, context),
      flow,
      pw_entry: passwordEntry(accountOf(fields).name, sources, undefined, io.now),
      no_webserver: options.noWebserver,
      no_scheme: options.noScheme,
      only_at: onlyToken,
    } as const
    const started = await callAgent(agent, request, { signal }).catch((error: unknown) => {
      throw refused(error, context)
    })
    if (started.status === 'success') {
      if (!onlyToken) io.stdout.write(DONE_AT_ONCE)
      return started
    }
    if (isNonInteractive(io.env)) throw needsPerson()
    io.stdout.write('accepted\n')
    return 'oidc_device' in started
      ? waitForApproval(started.oidc_device, onlyToken, context, signal)
      : waitForBrowser(started, context, signal)
  })
}

/** With what a person can do about a provider that refused what it was given. */
function refused(error: unknown, { refreshToken }: GenContext): AgentError {
  if (!(error instanceof AgentError) || error.hint !== undefined) throw error
  const { code, message } = error
  if (code === 'invalid-client') {
    const hint =
      'Check its id and secret (--client-id, --client-secret), and whether it is of this issuer.'
    return new AgentError(code, message, { hint, cause: error })
  }
  if (code === 'refresh-token-dead' && refreshToken !== undefined) {
    const hint =
      'The refresh token given by --rt or --rt-env is not good, or is of another client. Leave it out to log in anew.'
    return new AgentError(code, message, { hint, cause: error })
  }
  return error
}

/** A login that waits for a person would hold a pipeline until its time is up. */
function needsPerson(): AgentError {
  return new AgentError('no-terminal', 'this login needs a person, and none is to be asked here', {
    hint: 'Take a flow that needs none: --flow=client_credentials or --flow=token-exchange',
  })
}

function malformed(what: string): AgentError {
  return new AgentError('message-malformed', `the agent ${what}`)
}

/** Takes an account out of the agent, if it is there. */
export async function unloadAccount(
  account: string,
  agent: AgentAddress | undefined,
): Promise<void> {
  try {
    await callAgent(agent, { request: 'remove', account })
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'account-not-loaded') throw error
  }
}
