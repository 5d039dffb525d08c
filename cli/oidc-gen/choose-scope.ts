import { words } from '../../protocol/account.ts'
import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import type { SpaceSeparated } from '../../protocol/messages.ts'
import type { ProviderConfig } from './draft.ts'
import { isUnattendedGrant } from './own-fields.ts'
import { type Supported, withIamRules } from './scope-rules.ts'
import type { GenContext } from './setting.ts'

/** What is proposed, as by the C tool. */
const PROPOSED = 'openid profile offline_access'
/** The scope that makes a provider give a refresh token (OpenID Connect Core §11). */
const OFFLINE = 'offline_access'

const scopeQuestion = {
  label: 'scope',
  option: 'scope',
  question: "Scopes or 'max' (space separated)",
} as const

/** Where the scopes come from, and what for. */
interface ScopeChoice {
  readonly given?: string | undefined
  readonly proposed?: string | undefined
  /** `new`: it will be registered with these scopes. */
  readonly client: 'new' | 'given'
}

/**
 * The scopes to authorise: as given, else chosen from a list; `max` is all the provider supports.
 * Asking the provider comes first: a wrong issuer shows before anything is made there.
 */
export async function chooseScope(
  place: ProviderConfig,
  context: GenContext,
  choice: ScopeChoice,
): Promise<SpaceSeparated> {
  const { options, prompter, io } = context
  const supported = await supportedScopes(place, context)
  const given = options.scopeMax
    ? ['max', ...options.scope].join(' ')
    : options.scope.join(' ') || (choice.given ?? '')
  if (given === '' && supported.scopes.length > 0) {
    prompter.say(`The following scopes are supported: ${supported.scopes.join(' ')}`)
  }
  const proposed = choice.proposed ?? (isUnattended(context) ? undefined : PROPOSED)
  const answer = words(given === '' ? await prompter.ask(scopeQuestion, proposed) : given)
  const tell = (line: string): void => void io.stderr.write(`${line}\n`)
  const named = answer.filter((scope) => scope !== 'max')
  const all = answer.includes('max') ? [...maximum(supported.scopes), ...named] : named
  const scopes = withRequired([...new Set(all)], supported.scopes, context)
  return withIamRules(scopes, { named, supported, client: choice.client }, tell).join(' ')
}

/** All the provider supports; some list none. */
function maximum(supported: readonly string[]): readonly string[] {
  return supported.length === 0 ? words(PROPOSED) : supported
}

/**
 * As the C tool: `openid` and `offline_access` are always asked for, where the provider has them. A
 * robot is nobody who could log in or be offline.
 */
function withRequired(
  scopes: readonly string[],
  supported: readonly string[],
  context: GenContext,
): readonly string[] {
  if (context.options.onlyToken || isUnattended(context)) {
    return scopes.filter((scope) => scope !== OFFLINE)
  }
  const required = ['openid', OFFLINE]
  const missing = required.filter((scope) => !scopes.includes(scope))
  return [
    ...missing.filter((scope) => supported.length === 0 || supported.includes(scope)),
    ...scopes,
  ]
}

function isUnattended({ options, refreshToken }: GenContext): boolean {
  return refreshToken === undefined && isUnattendedGrant(options.flow[0])
}

async function supportedScopes(
  { issuer, configEndpoint, certPath }: ProviderConfig,
  { agent }: GenContext,
): Promise<Supported> {
  try {
    const { info, family } = await callAgent(agent, {
      request: 'scopes',
      issuer,
      config_endpoint: configEndpoint,
      cert_path: certPath,
    })
    return { scopes: words(info), family }
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    const message = `Error while retrieving supported scopes for '${issuer}': ${error.message}`
    // An address that is not asked at all may well be the issuer's.
    const doubt =
      error.code === 'insecure-url'
        ? undefined
        : `Is this the issuer? Its configuration is expected below ${issuer}`
    const hint = error.hint ?? doubt
    throw new AgentError(error.code, message, { hint, cause: error })
  }
}
