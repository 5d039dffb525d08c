import { usageError } from '../argv.ts'
import type { Io } from '../run.ts'

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
