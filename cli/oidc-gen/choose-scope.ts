import { words } from '../../protocol/account.ts'
import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { SpaceSeparated } from '../../protocol/messages.ts'
import type { ProviderPlace } from './draft.ts'
import type { GenSetting } from './setting.ts'

/** What is proposed, as by the C tool. */
const PROPOSED = 'openid profile offline_access'
/** The scope that makes a provider give a refresh token (OpenID Connect Core §11). */
const OFFLINE = 'offline_access'

const wanted = {
  label: 'scope',
  option: 'scope',
  question: "Scopes or 'max' (space separated)",
} as const

/**
 * The scopes to authorise: as given, else chosen from a list; `max` is all the provider supports.
 * Asking the provider comes first: a wrong issuer shows before anything is made there.
 */
export async function chooseScope(
  place: ProviderPlace,
  setting: GenSetting,
  from: { readonly given?: string | undefined; readonly proposed?: string | undefined } = {},
): Promise<SpaceSeparated> {
  const { options, asker } = setting
  const supported = await supportedScopes(place, setting)
  const given = options.scopeMax ? 'max' : options.scope.join(' ') || (from.given ?? '')
  if (given === '' && supported.length > 0) {
    asker.say(`The following scopes are supported: ${supported.join(' ')}`)
  }
  const answer = given === '' ? await asker.ask(wanted, from.proposed ?? PROPOSED) : given
  const scopes = words(answer).includes('max') ? maximum(supported) : words(answer)
  return [...new Set(withRequired(scopes, supported, options.onlyToken))].join(' ')
}

/** All the provider supports; some list none. */
function maximum(supported: readonly string[]): readonly string[] {
  return supported.length === 0 ? words(PROPOSED) : supported
}

/** As the C tool: `openid` and `offline_access` are always asked for, where the provider has them. */
function withRequired(
  scopes: readonly string[],
  supported: readonly string[],
  onlyToken: boolean,
): readonly string[] {
  if (onlyToken) return scopes.filter((scope) => scope !== OFFLINE)
  const required = ['openid', OFFLINE]
  const missing = required.filter((scope) => !scopes.includes(scope))
  return [
    ...missing.filter((scope) => supported.length === 0 || supported.includes(scope)),
    ...scopes,
  ]
}

async function supportedScopes(
  { issuer, configEndpoint, certPath }: ProviderPlace,
  { agent }: GenSetting,
): Promise<readonly string[]> {
  try {
    const { info } = await callAgent(agent, {
      request: 'scopes',
      issuer,
      config_endpoint: configEndpoint,
      cert_path: certPath,
    })
    return words(info)
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    const message = `Error while retrieving supported scopes for '${issuer}': ${error.message}`
    const hint = error.hint ?? `Is this the issuer? Its configuration is expected below ${issuer}`
    throw new AgentError(error.code, message, { hint, cause: error })
  }
}
