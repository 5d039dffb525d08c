import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text as collect } from 'node:stream/consumers'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { usageError } from '../arguments.ts'
import type { Io } from '../run.ts'

const PROGRAM = 'condor_store_cred'

/** What `condor_store_cred query-oauth` knows: its exit statuses 0, 1 and 2. */
export type Stored = 'as-asked' | 'none' | 'otherwise'

/** What HTCondor has stored for a request. Its status 1 is every other failure too: storing tells. */
export async function queryCredential(wanted: CredentialRequest, env: Io['env']): Promise<Stored> {
  const { status, said } = await storeCred(['query-oauth', ...selection(wanted, env)], '', env)
  if (status === 0) return 'as-asked'
  if (status === 1) return 'none'
  if (status === 2) return 'otherwise'
  throw failed(`${PROGRAM} query-oauth ended with status ${status}`, said)
}

/**
 * Stores a credential, over what was there.
 * @throws AgentError `credential-not-stored`, with what the program said; `command-not-run`
 */
export async function addCredential(
  wanted: CredentialRequest,
  credential: JsonObject,
  env: Io['env'],
): Promise<string> {
  const args = ['add-oauth', ...selection(wanted, env), '-i', '-']
  const { status, said } = await storeCred(args, `${JSON.stringify(credential)}\n`, env)
  if (status === 0) return said
  throw failed(`HTCondor did not store the credentials for ${nameOf(wanted)}`, said)
}

/** As HTCondor calls its file. */
export function nameOf({ service, handle }: CredentialRequest): string {
  return handle === undefined ? service : `${service}_${handle}`
}

/** The command by which the person removes what is stored. */
export function removal({ service, handle }: CredentialRequest): string {
  return [PROGRAM, 'delete-oauth', '-s', service, ...option('-H', handle)].join(' ')
}

/** Scopes and audience too: what is stored otherwise is then recognised as such. */
function selection(wanted: CredentialRequest, env: Io['env']): readonly string[] {
  const { service, handle, scopes, audience } = wanted
  // What administrators of a pool add, as for condor_vault_storer: -n SCHEDD.
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
  readonly said: string
}

async function storeCred(args: readonly string[], input: string, env: Io['env']): Promise<Outcome> {
  // HTCondor has it among the programs for administrators, where a person's PATH may not lead.
  const path = [env['PATH'], '/usr/sbin'].filter(Boolean).join(':')
  const child = spawn(PROGRAM, args, { env: { ...env, PATH: path }, stdio: 'pipe' })
  // One that ends without reading is told by its status.
  child.stdin.on('error', () => undefined)
  try {
    const outputs = Promise.all([collect(child.stdout), collect(child.stderr)])
    const closed = once(child, 'close')
    child.stdin.end(input)
    const [[stdout, stderr]] = await Promise.all([outputs, closed])
    return { status: child.exitCode ?? -1, said: `${stdout}${stderr}`.trim() }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const hint = 'It comes with HTCondor; is this an access point of the pool?'
    throw new AgentError('command-not-run', `cannot run ${PROGRAM}: ${reason}`, { cause, hint })
  }
}

function failed(message: string, said: string): AgentError {
  return new AgentError('credential-not-stored', message, { hint: said === '' ? undefined : said })
}

/** One credential a job asks for, as condor_submit passes it. */
export interface CredentialRequest {
  /** With its role, where there is one: `wlcg_production`. */
  readonly service: string
  readonly handle: string | undefined
  /** In the order they were given. */
  readonly scopes: readonly string[]
  readonly audience: string | undefined
}

/** What HTCondor lets be part of a credential's file name. */
const nameOfFile = /^[A-Za-z0-9][A-Za-z0-9_.@+-]*$/

/**
 * Reads `service[_role][&handle=…][&scopes=…][&audience=…]`. Scopes are separated by commas; HTCondor's
 * help calls the option `scope`, its programs write `scopes`: both are taken. What is only for another
 * storer (`options=…`) is left aside.
 * @throws AgentError `usage` where a name could not be one
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

/** The account of a service: `OIDC_CONDOR_ACCOUNTS` says it, else it is called as the service is. */
export function accountOfService(service: string, env: Io['env']): string {
  const pairs = (env['OIDC_CONDOR_ACCOUNTS'] ?? '').split(/[,\s]+/)
  const pair = pairs.find((one) => one.startsWith(`${service}=`))
  return pair === undefined ? service : pair.slice(service.length + 1)
}

function lastOf(values: readonly string[]): string | undefined {
  const value = values.at(-1)
  return value === '' ? undefined : value
}
