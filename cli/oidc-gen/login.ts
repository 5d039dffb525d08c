import { accountOf } from '../../protocol/account.ts'
import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { AccessTokenReply, ConfigReply, JsonObject } from '../../protocol/messages.ts'
import { interruptible } from '../interruptible.ts'
import { passwordEntry } from '../password-source.ts'
import { waitForApproval } from './device-flow.ts'
import type { GenSetting } from './setting.ts'

/** What the C tool prints after a flow that needs nobody's approval. */
const DONE_AT_ONCE =
  "success\nThe generated account config was successfully added to oidc-agent. You don't have to run oidc-add.\n"

/** Flow names for the agent, most wanted first. A refresh token at hand is tried before all else. */
export function wantedFlows({ options, refreshToken }: GenSetting): readonly string[] {
  if (refreshToken !== undefined) return [...new Set(['refresh', ...options.flow])]
  return options.flow.length === 0 ? ['device'] : options.flow
}

/** Logs in: the account with its refresh token, which the agent has loaded by then. */
export async function login(fields: JsonObject, setting: GenSetting): Promise<JsonObject> {
  const reply = await runFlow(fields, false, setting)
  if (!('config' in reply)) throw malformed('replied to a login without the account')
  if (reply.info !== undefined) setting.io.stderr.write(`${reply.info}\n`)
  // What the C agent does not know, such as the client's registration, is not in its reply.
  return { ...fields, ...reply.config }
}

/** Logs in for one access token: the agent keeps nothing. */
export async function loginForToken(fields: JsonObject, setting: GenSetting): Promise<string> {
  const reply = await runFlow(fields, true, setting)
  if (!('access_token' in reply)) throw malformed('replied without a token')
  return reply.access_token
}

async function runFlow(
  fields: JsonObject,
  onlyToken: boolean,
  setting: GenSetting,
): Promise<ConfigReply | AccessTokenReply> {
  const { agent, host, io, options, sources } = setting
  return interruptible(host.onInterrupt, async (signal) => {
    const started = await callAgent(
      agent,
      {
        request: 'gen',
        config: fields,
        flow: wantedFlows(setting),
        pw_entry: passwordEntry(accountOf(fields).name, sources, undefined, io.now),
        no_webserver: options.noWebserver,
        no_scheme: options.noScheme,
        only_at: onlyToken,
      },
      { signal },
    )
    if (started.status === 'success') {
      if (!onlyToken) io.stdout.write(DONE_AT_ONCE)
      return started
    }
    if (!('oidc_device' in started)) {
      await callAgent(agent, { request: 'term_http_server', state: started.state })
      throw new AgentError('not-implemented', 'the agent wants a login by browser', {
        hint: 'oidc-gen cannot follow it. Use: oidc-gen -w device',
      })
    }
    io.stdout.write('accepted\n')
    return waitForApproval(started.oidc_device, onlyToken, setting, signal)
  })
}

function malformed(what: string): AgentError {
  return new AgentError('message-malformed', `the agent ${what}`)
}
