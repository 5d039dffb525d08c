import { AgentError } from '../../protocol/wire/errors.ts'
import type { SpaceSeparated } from '../../protocol/wire/messages.ts'
import { type Arguments, usageError } from '../arguments.ts'
import type { Io } from '../run.ts'
import {
  type Credentials,
  type GivenAccount,
  isUnattendedGrant,
  memberPlan,
  providerPlan,
} from './account-json.ts'
import type { GenOptions, oidcGen } from './options.ts'
import type { PromptPolicy } from './prompter.ts'

/**
 * What one call of `oidc-gen` will do: all that its options decide, before anything is asked or done.
 * A value that no option gives is read from a file, discovered or asked for while the plan is executed.
 */
export type GenPlan = FilePlan | AccountPlan

/** Work on account files: no login. */
export type FilePlan =
  | { readonly kind: 'list' }
  | { readonly kind: 'print'; readonly file: string }
  | { readonly kind: 'update'; readonly file: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'delete'; readonly account: string }

/** A login, or the end of one. */
export type AccountPlan =
  | CreatePlan
  | ConfigurePlan
  | OnlyTokenPlan
  | ReauthenticatePlan
  | CompletionPlan

/** A new account, with a client registered for it or with the issuer's public client. */
export interface CreatePlan extends ConfigurationPlan {
  readonly kind: 'create'
  readonly client: RegisteredClientPlan | { readonly kind: 'public' }
  readonly login: FlowPlan
  readonly save: SavePlan
}

/** A new account with a client that was registered beforehand, or changes to an existing account. */
export interface ConfigurePlan extends ConfigurationPlan {
  readonly kind: 'configure'
  /** Of `--file`: its members become the account's. */
  readonly file: string | undefined
  readonly client: GivenClientPlan
  readonly login: LoginPlan
  readonly save: SavePlan
}

/** `--only-at`: one access token. No account is saved or loaded. */
export interface OnlyTokenPlan extends ConfigurationPlan {
  readonly kind: 'only-token'
  readonly file: string | undefined
  readonly client: GivenClientPlan
  readonly login: FlowPlan
}

/** `--reauthenticate`: a new refresh token for an account whose file exists. */
export interface ReauthenticatePlan {
  readonly kind: 'reauthenticate'
  readonly account: string
  readonly login: LoginPlan
  readonly save: SavePlan
}

/** The end of a login by browser that another oidc-gen started: by the redirect's URI or by its state. */
export type CompletionPlan =
  | { readonly kind: 'complete-by-redirect'; readonly uri: string; readonly save: SavePlan }
  | { readonly kind: 'complete-by-state'; readonly state: string; readonly save: SavePlan }

/** What an account is made of, as far as options give it. */
interface ConfigurationPlan extends GivenAccount {
  readonly account: string | undefined
  readonly scopes: ScopePlan
  readonly login: LoginPlan
}

/** A client registered now (RFC 7591). */
export interface RegisteredClientPlan {
  readonly kind: 'register'
  /** Authorizes the registration (RFC 7591 §3). */
  readonly initialAccessToken: string | undefined
}

/** A client that exists. */
export type GivenClientPlan =
  | { readonly kind: 'public' }
  | {
      readonly kind: 'preregistered'
      readonly id: string | undefined
      readonly secret: string | undefined
      /** The client cannot keep a secret (RFC 6749 §2.1): the secret is not asked for. */
      readonly isPublic: boolean
      /** The issuer's public client, if there is one, is taken before a client id is asked for. */
      readonly orPublic: boolean
    }

/** The scopes to request. */
export interface ScopePlan {
  /** As options give them, with `max` for all that the provider supports; empty: not given. */
  readonly given: SpaceSeparated
  /** No person logs in: no scopes are proposed. */
  readonly isUnattended: boolean
  /** The login is to give a refresh token: `openid` and `offline_access` are requested as well. */
  readonly isLasting: boolean
}

/** How the first token is obtained, or that it is not. */
export type LoginPlan = FlowPlan | UncheckedPlan

/** A login by one of `flows`. */
export interface FlowPlan {
  readonly kind: 'flow'
  /** Names for the agent, in order of preference. */
  readonly flows: readonly string[]
  /** False: the default. An account without a refresh token repeats its own grant then. */
  readonly isChosen: boolean
  readonly browser: BrowserPlan
  readonly credentials: Credentials
}

/** `--skip-check`: the account is saved without a first token. */
export interface UncheckedPlan {
  readonly kind: 'unchecked'
  readonly grant: string
  readonly credentials: Credentials
}

/** A login by browser. */
export interface BrowserPlan {
  /** Whether a browser can be shown on this machine. */
  readonly hasDisplay: boolean
  readonly isOpened: boolean
  /** The agent may start a web server for the redirect. */
  readonly webServer: boolean
  readonly customScheme: boolean
}

/** Where the account is kept: in a file and loaded in the agent, or only loaded. */
export type SavePlan = 'file' | 'agent-only'

/**
 * The plan that the command line asks for, by the precedence of the C tool (cli.md §1.4).
 * @throws AgentError `usage` if options contradict each other or the account is not named;
 *   `bad-request` if the variable of --rt-env is not set
 */
export function planOf(args: Arguments<typeof oidcGen.options>, env: Io['env']): GenPlan {
  const { options, operands } = args
  checkSkipCheck(options)
  const flow = flowPlan(options, env)
  const [account] = operands
  return (
    filePlan(options, account) ??
    completionPlan(options) ??
    existingAccountPlan(options, account, flow) ??
    configurationPlan(options, account, flow)
  )
}

/**
 * How the person is asked, whatever the plan.
 * @throws AgentError `not-implemented` if the person is to be asked in a window
 */
export function promptPolicy(options: GenOptions): PromptPolicy {
  const { prompt, pwPrompt } = options
  const gui = prompt === 'gui' ? '--prompt' : pwPrompt === 'gui' ? '--pw-prompt' : undefined
  if (gui !== undefined) {
    throw new AgentError('not-implemented', `${gui}=gui is not implemented`, {
      hint: `Leave out ${gui} to be asked on the terminal.`,
    })
  }
  return { mayAsk: prompt !== 'none', confirmation: confirmation(options) }
}

function confirmation(options: GenOptions): PromptPolicy['confirmation'] {
  if (options.confirmYes) return 'yes'
  if (options.confirmNo) return 'no'
  return options.confirmDefault ? 'default' : 'person'
}

/** --skip-check is for accounts without a login: it leaves out the first token, and saves the account. */
function checkSkipCheck({ skipCheck, flow, noSave, onlyToken }: GenOptions): void {
  if (!skipCheck || (isUnattendedGrant(flow[0]) && !noSave && !onlyToken)) return
  throw usageError(
    '--skip-check saves an account made with -w client_credentials or -w token-exchange',
  )
}

function filePlan(options: GenOptions, account: string | undefined): FilePlan | undefined {
  const { print, update, rename, noSave } = options
  if (options.accounts) return { kind: 'list' }
  if (print !== undefined) return { kind: 'print', file: print }
  if (update !== undefined) {
    if (noSave) throw usageError('Update argument cannot be combined with no-save')
    return { kind: 'update', file: update }
  }
  if (rename === undefined) return undefined
  if (noSave) throw usageError('Rename argument cannot be combined with no-save')
  return { kind: 'rename', from: named(account, 'rename'), to: rename }
}

function completionPlan(options: GenOptions): CompletionPlan | undefined {
  const { codeExchange, state } = options
  const save = savePlan(options)
  if (codeExchange !== undefined) return { kind: 'complete-by-redirect', uri: codeExchange, save }
  return state === undefined ? undefined : { kind: 'complete-by-state', state, save }
}

function existingAccountPlan(
  options: GenOptions,
  account: string | undefined,
  flow: FlowPlan,
): FilePlan | ReauthenticatePlan | undefined {
  if (options.delete) return { kind: 'delete', account: named(account, 'delete') }
  if (!options.reauthenticate) return undefined
  return {
    kind: 'reauthenticate',
    account: named(account, 'reauthenticate'),
    login: loginPlan(options, flow),
    save: savePlan(options),
  }
}

function named(account: string | undefined, doing: string): string {
  if (account === undefined) throw usageError(`name the account to ${doing}`)
  return account
}

function configurationPlan(
  options: GenOptions,
  account: string | undefined,
  flow: FlowPlan,
): CreatePlan | ConfigurePlan | OnlyTokenPlan {
  const configuration = {
    account,
    provider: providerPlan(options),
    scopes: scopePlan(options, flow),
    members: memberPlan(options),
  }
  const { file } = options
  if (options.onlyToken) {
    const client = givenClientPlan(options)
    return { kind: 'only-token', ...configuration, file, client, login: flow }
  }
  const save = savePlan(options)
  if (options.manual || hasClient(options)) {
    const client = givenClientPlan(options)
    const login = loginPlan(options, flow)
    return { kind: 'configure', ...configuration, file, client, login, save }
  }
  const client = options.pub
    ? ({ kind: 'public' } as const)
    : ({ kind: 'register', initialAccessToken: options.accessToken } as const)
  return { kind: 'create', ...configuration, client, login: flow, save }
}

/** Whether the client is one that was registered beforehand. */
function hasClient({ file, clientId, privateKey, flow }: GenOptions): boolean {
  return (
    file !== undefined ||
    clientId !== undefined ||
    // Providers register no client for an unattended grant, and none with a key of ours.
    privateKey !== undefined ||
    isUnattendedGrant(flow[0])
  )
}

/** --only-at registers no client, so it takes the issuer's public client even without --pub. */
function givenClientPlan(options: GenOptions): GivenClientPlan {
  const { pub, clientId, clientSecret, onlyToken, manual } = options
  if (pub && clientId === undefined) return { kind: 'public' }
  return {
    kind: 'preregistered',
    id: clientId,
    secret: clientSecret,
    isPublic: pub,
    orPublic: clientId === undefined && onlyToken && !manual,
  }
}

function scopePlan(options: GenOptions, { credentials }: FlowPlan): ScopePlan {
  const { scope, scopeMax, flow, onlyToken } = options
  const isUnattended = credentials.refreshToken === undefined && isUnattendedGrant(flow[0])
  return {
    given: (scopeMax ? ['max', ...scope] : scope).join(' '),
    isUnattended,
    isLasting: !onlyToken && !isUnattended,
  }
}

function loginPlan(options: GenOptions, flow: FlowPlan): LoginPlan {
  const [grant] = options.flow
  if (!options.skipCheck || grant === undefined) return flow
  return { kind: 'unchecked', grant, credentials: flow.credentials }
}

function flowPlan(options: GenOptions, env: Io['env']): FlowPlan {
  const { flow, username, password } = options
  const refreshToken = givenRefreshToken(options, env)
  const hasDisplay = isSet(env['DISPLAY']) || isSet(env['WAYLAND_DISPLAY'])
  const byDefault = hasDisplay ? ['code', 'device'] : ['device']
  const chosen = flow.length > 0 ? flow : byDefault
  return {
    kind: 'flow',
    // A given refresh token is tried before the other flows that are named.
    flows: refreshToken === undefined ? chosen : [...new Set(['refresh', ...flow])],
    isChosen: flow.length > 0 || refreshToken !== undefined,
    browser: {
      hasDisplay,
      isOpened: hasDisplay && !options.noUrlCall,
      webServer: !options.noWebserver,
      customScheme: !options.noScheme,
    },
    credentials: { refreshToken, username, password },
  }
}

function isSet(variable: string | undefined): boolean {
  return variable !== undefined && variable !== ''
}

/** The refresh token of --rt or --rt-env. */
function givenRefreshToken(
  { refreshToken, refreshTokenEnv }: GenOptions,
  env: Io['env'],
): string | undefined {
  if (refreshToken !== undefined || refreshTokenEnv === undefined) return refreshToken
  const name = refreshTokenEnv === true ? 'OIDC_REFRESH_TOKEN' : refreshTokenEnv
  const token = env[name]
  if (token === undefined || token === '') throw new AgentError('bad-request', `${name} not set!`)
  return token
}

function savePlan({ noSave }: GenOptions): SavePlan {
  return noSave ? 'agent-only' : 'file'
}
