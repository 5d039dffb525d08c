import { callAgent } from '../../protocol/client/call.ts'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { words } from '../../protocol/storage/account.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { SpaceSeparated } from '../../protocol/wire/messages.ts'
import { isUnattendedGrant } from './account-json.ts'
import type { GenContext } from './context.ts'

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

/** What the agent says of a provider. */
export interface Supported {
  readonly scopes: readonly string[]
  /** `iam`, for one; undefined where the agent does not tell. */
  readonly family: string | undefined
}

/** The scopes that were asked for by name, beside `max`, and for which client. */
export interface AskedScopes {
  readonly named: readonly string[]
  readonly supported: Supported
  readonly client: 'new' | 'given'
}

/** Scopes of grid services (WLCG Common JWT Profiles, "Capability based authorization"). */
const CAPABILITY = /^(?:storage|compute)\./
/** A storage without the path that says which part of it. */
const PATHLESS = /^storage\.\w+$/
/** The whole namespace of a storage. */
const ROOT_PATH = /^storage\.\w+:\/$/

/**
 * `scopes` as INDIGO IAM wants them (wlcg.md §6, "Quirks"); those of other providers as they are. The
 * person is told of each change.
 */
export function withIamRules(
  scopes: readonly string[],
  asked: AskedScopes,
  tell: (line: string) => void,
): readonly string[] {
  if (asked.supported.family !== 'iam') return scopes
  const pathless = scopes.filter((scope) => PATHLESS.test(scope))
  if (pathless.length > 0) {
    const [one = ''] = pathless
    tell(`Note: without a path ${pathless.join(' ')} is good for nothing; write ${one}:/path.`)
  }
  return withProfile(withoutRootPaths(scopes, asked, tell), asked, tell)
}

/** A person with a policy for a path below is refused all of `max` for them (indigo-iam/iam#987). */
function withoutRootPaths(
  scopes: readonly string[],
  { named }: AskedScopes,
  tell: (line: string) => void,
): readonly string[] {
  const left = scopes.filter((scope) => ROOT_PATH.test(scope) && !named.includes(scope))
  if (left.length === 0) return scopes
  tell(
    `Note: 'max' leaves out ${left.join(' ')}: few may have a whole storage. Ask for what you need by name, as in --scope='max storage.read:/home/you'.`,
  )
  return scopes.filter((scope) => !left.includes(scope))
}

/** Tokens of a client that is not registered for `wlcg` have no scope in them. */
function withProfile(
  scopes: readonly string[],
  { client, supported }: AskedScopes,
  tell: (line: string) => void,
): readonly string[] {
  if (scopes.includes('wlcg') || !scopes.some((scope) => CAPABILITY.test(scope))) return scopes
  if (client === 'given') {
    tell(
      'Note: INDIGO IAM puts scopes into the tokens of clients registered with the scope wlcg only; others are refused by every grid service.',
    )
    return scopes
  }
  if (!supported.scopes.includes('wlcg')) {
    tell(
      'Note: this INDIGO IAM does not offer the scope wlcg, without which its tokens carry no scope: ask its administrators.',
    )
    return scopes
  }
  tell(
    'Note: the scope wlcg was added: without it the tokens of INDIGO IAM carry no scope, and every grid service refuses them.',
  )
  return [...scopes, 'wlcg']
}
