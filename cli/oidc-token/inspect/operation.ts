import { usageError } from '../../arguments.ts'

/** What can be done with files and directories. */
export const STORAGE_OPERATIONS = [
  'read',
  'write',
  'create',
  'overwrite',
  'delete',
  'stat',
  'list',
  'mkdir',
  'rename',
] as const
/** What can be done with jobs. */
export const COMPUTE_OPERATIONS = ['submit', 'query', 'remove'] as const

/** What is done with a file or a directory; `write` is whatever is there already. */
export type StorageOperation = (typeof STORAGE_OPERATIONS)[number]
export type ComputeOperation = (typeof COMPUTE_OPERATIONS)[number]

/** All that `--op` takes. */
export const OPERATIONS = [...STORAGE_OPERATIONS, ...COMPUTE_OPERATIONS] as const
export type OperationName = (typeof OPERATIONS)[number]

/** What a token is wanted for. */
export type Operation =
  | {
      readonly kind: 'storage'
      readonly protocol: 'root' | 'https'
      readonly name: StorageOperation
      readonly host: Host
      /** Absolute and normal, as it stands in scopes. */
      readonly path: string
    }
  | { readonly kind: 'compute'; readonly name: ComputeOperation; readonly host: Host }

export interface Host {
  readonly name: string
  readonly port: number
  readonly isDefaultPort: boolean
}

const protocols = {
  'root:': { protocol: 'root', port: 1094 },
  'roots:': { protocol: 'root', port: 1094 },
  'xroot:': { protocol: 'root', port: 1094 },
  'xroots:': { protocol: 'root', port: 1094 },
  'https:': { protocol: 'https', port: 443 },
  'davs:': { protocol: 'https', port: 443 },
  'condor:': { protocol: 'condor', port: 9619 },
} as const

/**
 * Reads `--for` and `--op`.
 * @throws AgentError `usage`
 */
export function operationOf(text: string, operation: OperationName | undefined): Operation {
  if (!URL.canParse(text)) throw usageError(`--for: '${text}' is not a URL`)
  const url = new URL(text)
  const known = Object.entries(protocols).find(([scheme]) => scheme === url.protocol)?.[1]
  if (known === undefined || url.hostname === '') {
    throw usageError(`--for: '${text}' is none of root://, https://, davs://, condor://`)
  }
  const host = hostOf(url, known.port)
  if (known.protocol === 'condor') {
    return { kind: 'compute', name: chosen(operation, COMPUTE_OPERATIONS), host }
  }
  return {
    kind: 'storage',
    protocol: known.protocol,
    name: chosen(operation, STORAGE_OPERATIONS),
    host,
    path: pathOf(url, known.protocol),
  }
}

function chosen<O extends string>(operation: string | undefined, allowed: readonly O[]): O {
  const source = allowed.find((one) => one === operation)
  if (source !== undefined) return source
  const fault = operation === undefined ? 'is missing' : `'${operation}' is not for this URL`
  throw usageError(`--op ${fault}: one of ${allowed.join(', ')}`)
}

function hostOf({ hostname, port }: URL, usual: number): Host {
  const number = port === '' ? usual : Number(port)
  return { name: hostname.toLowerCase(), port: number, isDefaultPort: number === usual }
}

function pathOf({ pathname }: URL, protocol: 'root' | 'https'): string {
  // One slash ends the host's name, the second begins the path: servers refuse a relative one.
  if (protocol === 'root' && !pathname.startsWith('//')) {
    throw usageError('--for: a root:// URL has two slashes after the host: root://HOST//PATH')
  }
  const names = decoded(pathname).split('/')
  return `/${names.filter((name) => name !== '').join('/')}`
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw usageError(`--for: the path ${path} is not escaped as a URL is`)
  }
}
