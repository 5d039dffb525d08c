import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text as collect } from 'node:stream/consumers'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { usageError } from '../arguments.ts'
import type { Io } from '../run.ts'

const PROGRAM = 'condor_store_cred'

/**
 * What HTCondor has stored for a request: a credential with the requested scopes and audience, none, or
 * one with others (exit status 0, 1, 2 of `condor_store_cred query-oauth`).
 */
export type Stored = 'as-requested' | 'none' | 'otherwise'

/**
 * Asks HTCondor what it has stored. Exit status 1 also stands for other failures; they show when the
 * credential is added.
 * @throws AgentError `credential-not-stored` for any other exit status; `command-not-run`
 */
export async function queryCredential(request: CredentialRequest, env: Io['env']): Promise<Stored> {
  const { status, output } = await storeCred(['query-oauth', ...selection(request, env)], '', env)
  if (status === 0) return 'as-requested'
  if (status === 1) return 'none'
  if (status === 2) return 'otherwise'
  throw failed(`${PROGRAM} query-oauth ended with status ${status}`, output)
}

/**
 * Stores a credential, or replaces the stored one.
 * @returns the output of `condor_store_cred`
 * @throws AgentError `credential-not-stored`, with that output as its hint; `command-not-run`
 */
export async function addCredential(
  request: CredentialRequest,
  credential: JsonObject,
  env: Io['env'],
): Promise<string> {
  const args = ['add-oauth', ...selection(request, env), '-i', '-']
  const { status, output } = await storeCred(args, `${JSON.stringify(credential)}\n`, env)
  if (status === 0) return output
  throw failed(`HTCondor did not store the credentials for ${nameOf(request)}`, output)
}

/** The name of the credential, which is also HTCondor's name for its file. */
export function nameOf({ service, handle }: CredentialRequest): string {
  return handle === undefined ? service : `${service}_${handle}`
}

/** The shell command that removes the stored credential. Its words need no quotes: see `nameOfFile`. */
export function removalCommand({ service, handle }: CredentialRequest): string {
  return [PROGRAM, 'delete-oauth', '-s', service, ...option('-H', handle)].join(' ')
}

/** The options that select a credential; with scopes and audience, so that HTCondor compares them. */
function selection(request: CredentialRequest, env: Io['env']): readonly string[] {
  const { service, handle, scopes, audience } = request
  // Options of the pool's administrator, as for condor_vault_storer: -n SCHEDD.
  const more = (env['SEC_CREDENTIAL_STORECRED_OPTS'] ?? '').split(/\s+/).filter(Boolean)
  return [
    ...['-s', service, ...option('-H', handle)],
    ...more,
    ...option('-S', scopes.length === 0 ? undefined : scopes.join(',')),
    ...option('-A', audience),
  ]
}

function option(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [name, value]
}

interface Outcome {
  readonly status: number
  /** Of stdout and stderr. */
  readonly output: string
}

async function storeCred(args: readonly string[], input: string, env: Io['env']): Promise<Outcome> {
  // HTCondor installs it in /usr/sbin, which may be missing in the PATH of a user.
  const path = [env['PATH'], '/usr/sbin'].filter(Boolean).join(':')
  const child = spawn(PROGRAM, args, { env: { ...env, PATH: path }, stdio: 'pipe' })
  // A program that ends without reading its input reports that by its status.
  child.stdin.on('error', () => undefined)
  try {
    const outputs = Promise.all([collect(child.stdout), collect(child.stderr)])
    const closed = once(child, 'close')
    child.stdin.end(input)
    const [[stdout, stderr]] = await Promise.all([outputs, closed])
    return { status: child.exitCode ?? -1, output: `${stdout}${stderr}`.trim() }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const hint = 'It is part of HTCondor. Use oidc-condor-storer on an access point of the pool.'
    throw new AgentError('command-not-run', `cannot run ${PROGRAM}: ${reason}`, { cause, hint })
  }
}

function failed(message: string, output: string): AgentError {
  return new AgentError('credential-not-stored', message, { hint: output || undefined })
}

/** One credential a job asks for, as condor_submit passes it. */
export interface CredentialRequest {
  /** With its role, if it has one: `wlcg_production`. */
  readonly service: string
  readonly handle: string | undefined
  /** In the order they were given. */
  readonly scopes: readonly string[]
  readonly audience: string | undefined
}

/** The names that HTCondor allows in the name of a credential's file. */
const nameOfFile = /^[A-Za-z0-9][A-Za-z0-9_.@+-]*$/

/**
 * Parses `service[_role][&handle=…][&scopes=…][&audience=…]`. Commas separate scopes. HTCondor's help
 * calls the modifier `scope`, its programs write `scopes`: both are accepted. Modifiers for other storers
 * (`options=…`) are ignored.
 * @throws AgentError `usage` if service or handle cannot be part of a file name
 */
export function parseCredentialRequest(argument: string): CredentialRequest {
  const [service = '', ...modifiers] = argument.split('&')
  const values = (...names: readonly string[]): readonly string[] =>
    modifiers.flatMap((modifier) => {
      const [name = '', ...value] = modifier.split('=')
      return names.includes(name) ? [value.join('=')] : []
    })
  const handle = lastOf(values('handle'))
  for (const name of handle === undefined ? [service] : [service, handle]) {
    if (!nameOfFile.test(name)) throw usageError(`'${name}' cannot name a credential`)
  }
  const lists = values('scope', 'scopes')
  return {
    service,
    handle,
    scopes: [...new Set(lists.flatMap((list) => list.split(/[,\s]+/)))].filter(Boolean),
    audience: lastOf(values('audience')),
  }
}

/** The account of a service: by `OIDC_CONDOR_ACCOUNTS`, else the one with the name of the service. */
export function accountOfService(service: string, env: Io['env']): string {
  const pairs = (env['OIDC_CONDOR_ACCOUNTS'] ?? '').split(/[,\s]+/)
  const pair = pairs.find((one) => one.startsWith(`${service}=`))
  return pair === undefined ? service : pair.slice(service.length + 1)
}

function lastOf(values: readonly string[]): string | undefined {
  const value = values.at(-1)
  return value === '' ? undefined : value
}
