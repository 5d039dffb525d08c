import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { accountOf } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { passwordEntry } from '../passwords.ts'
import { printInfo } from '../printing.ts'
import { isNonInteractive } from '../run.ts'
import { interruptible } from '../signals.ts'
import { fieldText, isUnattendedGrant } from './account-json.ts'
import { type BrowserEnd, waitForBrowser } from './code-flow.ts'
import { waitForApproval } from './device-flow.ts'
import type { GenIo } from './host.ts'
import type { FlowPlan, LoginPlan } from './plan.ts'
import { withCredentials } from './questions.ts'

/** The C tool's output after a flow that needs no approval. */
export const DONE_AT_ONCE =
  "success\nThe generated account config was successfully added to oidc-agent. You don't have to run oidc-add.\n"

/**
 * Logs in. Returns the account with its refresh token, which the agent has loaded then; undefined if
 * another oidc-gen receives the redirect and saves the account.
 * @throws AgentError what the agent replied, `cancelled` after Ctrl-C, `no-terminal`
 */
export async function login(
  fields: JsonObject,
  plan: LoginPlan,
  gen: GenIo,
): Promise<JsonObject | undefined> {
  if (plan.kind === 'unchecked') return unchecked(fields, plan.grant, gen.agent)
  const reply = await runFlow(fields, plan, false, gen).catch((error: unknown) => {
    throw isWithoutSubject(error) ? elsewhere(error) : error
  })
  if (reply === undefined) return undefined
  if (!('config' in reply)) throw malformed('replied to a login without the account')
  printInfo(reply.info, gen.io)
  // The reply lacks members that the C agent does not know, such as the client's registration.
  return { ...fields, ...reply.config }
}

/** The account without a first token. An account of that name is unloaded: its file is to be read again. */
async function unchecked(
  fields: JsonObject,
  grant: string,
  agent: AgentAddress | undefined,
): Promise<JsonObject> {
  await unloadAccount(accountOf(fields).name, agent)
  return { ...fields, grant }
}

function isWithoutSubject(error: unknown): error is AgentError {
  return error instanceof AgentError && error.code === 'no-subject-token'
}

/** The subject token often exists only in the job that the account is made for. */
function elsewhere(error: AgentError): AgentError {
  const hint = `${error.hint ?? ''}\nAn account for another place is made with --skip-check.`
  return new AgentError(error.code, error.message, { hint: hint.trim(), cause: error })
}

/**
 * Logs in for one access token; the agent loads no account. Undefined if another oidc-gen receives the
 * redirect.
 * @throws AgentError as {@link login}
 */
export async function loginForToken(
  fields: JsonObject,
  plan: FlowPlan,
  gen: GenIo,
): Promise<string | undefined> {
  const reply = await runFlow(fields, plan, true, gen)
  if (reply === undefined) return undefined
  if (!('access_token' in reply)) throw malformed('replied without a token')
  printInfo(reply.info, gen.io)
  return reply.access_token
}

async function runFlow(
  fields: JsonObject,
  plan: FlowPlan,
  onlyToken: boolean,
  { io, host, agent, prompter, passwords, explain }: GenIo,
): Promise<BrowserEnd> {
  const { credentials, browser } = plan
  return interruptible(host.onInterrupt, async (signal) => {
    const flow = flowsFor(fields, plan)
    const { stderr } = io
    const request = {
      request: 'gen',
      config: await withCredentials(fields, flow, credentials, { prompter, stderr }),
      flow,
      pw_entry: passwordEntry(accountOf(fields).name, passwords.sources, undefined, io.now),
      no_webserver: !browser.webServer,
      no_scheme: !browser.customScheme,
      only_at: onlyToken,
    } as const
    const started = await callAgent(agent, request, { signal }).catch((error: unknown) => {
      throw withAdvice(error, credentials.refreshToken !== undefined)
    })
    if (started.status === 'success') {
      if (!onlyToken) io.stdout.write(DONE_AT_ONCE)
      return started
    }
    if (isNonInteractive(io.env)) throw needsPerson()
    io.stdout.write('accepted\n')
    const polling = { agent, io, pause: host.pause, signal }
    if ('oidc_device' in started) return waitForApproval(started.oidc_device, onlyToken, polling)
    return waitForBrowser(started, browser, polling, {
      prompter,
      openBrowser: (uri) =>
        host.openBrowser(uri, () => explain('could not open a browser by xdg-open')),
    })
  })
}

/** The flows to try. By default an account that was made without a person gets its next login without one. */
function flowsFor(fields: JsonObject, { flows, isChosen }: FlowPlan): readonly string[] {
  const grant = fieldText(fields, 'grant')
  return grant !== undefined && isUnattendedGrant(grant) && !isChosen ? [grant] : flows
}

/** The error with what a person can do if the provider refused the client or the refresh token. */
function withAdvice(error: unknown, gaveRefreshToken: boolean): AgentError {
  if (!(error instanceof AgentError) || error.hint !== undefined) throw error
  const { code, message } = error
  if (code === 'invalid-client') {
    const hint =
      'Check its id and secret (--client-id, --client-secret), and that it is registered at this issuer.'
    return new AgentError(code, message, { hint, cause: error })
  }
  if (code === 'refresh-token-dead' && gaveRefreshToken) {
    const hint =
      'The refresh token given by --rt or --rt-env is invalid, or belongs to another client. Leave it out to log in again.'
    return new AgentError(code, message, { hint, cause: error })
  }
  return error
}

/** Waiting for a person would hold a pipeline until its time limit. */
function needsPerson(): AgentError {
  return new AgentError(
    'no-terminal',
    'this login needs a person, and this run is non-interactive',
    {
      hint: 'Use a flow without a person: --flow=client_credentials or --flow=token-exchange',
    },
  )
}

function malformed(what: string): AgentError {
  return new AgentError('message-malformed', `the agent ${what}`)
}

/** Unloads an account, if the agent has it. */
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
