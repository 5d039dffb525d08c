import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { type ProviderConfig, words } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { SpaceSeparated } from '../../protocol/wire/messages.ts'
import type { Io } from '../run.ts'
import type { ScopePlan } from './plan.ts'
import type { Prompter } from './prompter.ts'

/** The scopes proposed to the person, as by the C tool. */
const PROPOSED = 'openid profile offline_access'
/** The scope that makes a provider give a refresh token (OpenID Connect Core §11). */
const OFFLINE = 'offline_access'

const scopeQuestion = {
  label: 'scope',
  option: 'scope',
  question: "Scopes or 'max' (space separated)",
} as const

/** What is known of the scopes beside the plan. */
interface ScopeChoice {
  /** From the file of -f; not asked for then. */
  readonly fromFile?: string | undefined
  /** Of the account that is changed; the default of the question then. */
  readonly stored?: string | undefined
  /** `new`: the client is registered with the chosen scopes. */
  readonly client: 'new' | 'given'
}

/** Where the scopes come from: the agent lists those that are supported, the person chooses. */
interface ScopeSources {
  readonly agent: AgentAddress | undefined
  readonly prompter: Prompter
  readonly stderr: Io['stderr']
}

/**
 * The scopes to request: as given, else chosen from a list; `max` means all that the provider supports.
 * Asks the provider first: a wrong issuer is reported before a client is registered.
 * @throws AgentError `no-terminal`, or what the provider's discovery failed with
 */
export async function chooseScope(
  provider: ProviderConfig,
  plan: ScopePlan,
  { fromFile, stored, client }: ScopeChoice,
  { agent, prompter, stderr }: ScopeSources,
): Promise<SpaceSeparated> {
  const supported = await supportedScopes(provider, agent)
  const given = plan.given === '' ? (fromFile ?? '') : plan.given
  if (given === '' && supported.scopes.length > 0) {
    prompter.say(`The following scopes are supported: ${supported.scopes.join(' ')}`)
  }
  const proposed = stored ?? (plan.isUnattended ? undefined : PROPOSED)
  const answer = words(given === '' ? await prompter.ask(scopeQuestion, proposed) : given)
  const named = answer.filter((scope) => scope !== 'max')
  const all = answer.includes('max') ? [...maximum(supported.scopes), ...named] : named
  const unique = [...new Set(all)]
  const scopes = plan.isLasting
    ? withRequired(unique, supported.scopes)
    : unique.filter((scope) => scope !== OFFLINE)
  const warn = (line: string): void => void stderr.write(`${line}\n`)
  return withIamRules(scopes, { named, supported, client }, warn).join(' ')
}

/** All scopes that the provider supports. Some providers list none. */
function maximum(supported: readonly string[]): readonly string[] {
  return supported.length === 0 ? words(PROPOSED) : supported
}

/** As the C tool: `openid` and `offline_access` are always requested if the provider supports them. */
function withRequired(scopes: readonly string[], supported: readonly string[]): readonly string[] {
  const missing = ['openid', OFFLINE].filter((scope) => !scopes.includes(scope))
  return [
    ...missing.filter((scope) => supported.length === 0 || supported.includes(scope)),
    ...scopes,
  ]
}

async function supportedScopes(
  { issuer, configEndpoint, certPath }: ProviderConfig,
  agent: AgentAddress | undefined,
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
    // The request was not sent, so the address may well be the issuer's.
    const doubt =
      error.code === 'insecure-url'
        ? undefined
        : `Is this the issuer? Its configuration is expected below ${issuer}`
    const hint = error.hint ?? doubt
    throw new AgentError(error.code, message, { hint, cause: error })
  }
}

/** What the agent reports of a provider. */
export interface Supported {
  readonly scopes: readonly string[]
  /** The provider profile, such as `iam`; undefined if the agent does not report it. */
  readonly family: string | undefined
}

/** The request that the scopes are for. */
export interface AskedScopes {
  /** Scopes that were requested by name, not by `max`. */
  readonly named: readonly string[]
  readonly supported: Supported
  readonly client: 'new' | 'given'
}

/** Scopes of grid services (WLCG Common JWT Profiles, "Capability based authorization"). */
const CAPABILITY = /^(?:storage|compute)\./
/** A storage scope without a path. */
const PATHLESS = /^storage\.\w+$/
/** The whole namespace of a storage. */
const ROOT_PATH = /^storage\.\w+:\/$/

/**
 * `scopes` as INDIGO IAM needs them (wlcg.md §6, "Quirks"); for other providers, unchanged.
 * @param warn reports each change
 */
export function withIamRules(
  scopes: readonly string[],
  asked: AskedScopes,
  warn: (line: string) => void,
): readonly string[] {
  if (asked.supported.family !== 'iam') return scopes
  const pathless = scopes.filter((scope) => PATHLESS.test(scope))
  if (pathless.length > 0) {
    const [one = ''] = pathless
    warn(`Note: without a path ${pathless.join(' ')} allows nothing; write ${one}:/path.`)
  }
  return withProfile(withoutRootPaths(scopes, asked, warn), asked, warn)
}

/**
 * If a policy allows a person only a path below the root, IAM refuses the whole request because of the
 * root path (indigo-iam/iam#987).
 */
function withoutRootPaths(
  scopes: readonly string[],
  { named }: AskedScopes,
  warn: (line: string) => void,
): readonly string[] {
  const left = scopes.filter((scope) => ROOT_PATH.test(scope) && !named.includes(scope))
  if (left.length === 0) return scopes
  warn(
    `Note: 'max' leaves out ${left.join(' ')}: most people may not access a whole storage. Request what you need by name, as in --scope='max storage.read:/home/you'.`,
  )
  return scopes.filter((scope) => !left.includes(scope))
}

/** Tokens of a client that is not registered for the scope `wlcg` carry no scopes. */
function withProfile(
  scopes: readonly string[],
  { client, supported }: AskedScopes,
  warn: (line: string) => void,
): readonly string[] {
  if (scopes.includes('wlcg') || !scopes.some((scope) => CAPABILITY.test(scope))) return scopes
  if (client === 'given') {
    warn(
      'Note: INDIGO IAM puts scopes only into tokens of clients registered with the scope wlcg; grid services refuse tokens without scopes.',
    )
    return scopes
  }
  if (!supported.scopes.includes('wlcg')) {
    warn(
      'Note: this INDIGO IAM does not offer the scope wlcg, without which its tokens carry no scopes: ask its administrators.',
    )
    return scopes
  }
  warn(
    'Note: the scope wlcg was added: without it the tokens of INDIGO IAM carry no scopes, and grid services refuse them.',
  )
  return [...scopes, 'wlcg']
}
