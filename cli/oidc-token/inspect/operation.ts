import { usageError } from '../../arguments.ts'

/** Operations on files and directories. */
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
/** Operations on jobs. */
export const COMPUTE_OPERATIONS = ['submit', 'query', 'remove'] as const

/** `write` may create a file or overwrite one. */
export type StorageOperation = (typeof STORAGE_OPERATIONS)[number]
export type ComputeOperation = (typeof COMPUTE_OPERATIONS)[number]

/** The values of `--op`. */
export const OPERATIONS = [...STORAGE_OPERATIONS, ...COMPUTE_OPERATIONS] as const
export type OperationName = (typeof OPERATIONS)[number]

/** What a token shall be used for, and at which service: `--for`, `--op` and `--for-audience`. */
export type Operation = StorageUse | ComputeUse

export interface StorageUse extends Service {
  readonly kind: 'storage'
  readonly protocol: 'root' | 'https'
  readonly name: StorageOperation
  /** Absolute and normalized, as paths in scopes are. */
  readonly path: string
}

export interface ComputeUse extends Service {
  readonly kind: 'compute'
  readonly name: ComputeOperation
}

interface Service {
  readonly host: Host
  /** The audience that the service accepts, if the command line gives it. */
  readonly audience: string | undefined
}

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
 * Parses `--for`, `--op` and `--for-audience`.
 * @throws AgentError `usage`
 */
export function operationOf(
  text: string,
  operation: OperationName | undefined,
  audience?: string,
): Operation {
  if (!URL.canParse(text)) throw usageError(`--for: '${text}' is not a URL`)
  const url = new URL(text)
  const known = Object.entries(protocols).find(([scheme]) => scheme === url.protocol)?.[1]
  if (known === undefined || url.hostname === '') {
    throw usageError(`--for: '${text}' does not begin with root://, https://, davs:// or condor://`)
  }
  const host = hostOf(url, known.port)
  if (known.protocol === 'condor') {
    return { kind: 'compute', name: chosen(operation, COMPUTE_OPERATIONS), host, audience }
  }
  return {
    kind: 'storage',
    protocol: known.protocol,
    name: chosen(operation, STORAGE_OPERATIONS),
    host,
    audience,
    path: pathOf(url, known.protocol),
  }
}

function chosen<O extends string>(operation: string | undefined, allowed: readonly O[]): O {
  const found = allowed.find((one) => one === operation)
  if (found !== undefined) return found
  const fault = operation === undefined ? 'is missing' : `'${operation}' is not for this URL`
  throw usageError(`--op ${fault}: one of ${allowed.join(', ')}`)
}

function hostOf({ hostname, port }: URL, usual: number): Host {
  const number = port === '' ? usual : Number(port)
  return { name: hostname.toLowerCase(), port: number, isDefaultPort: number === usual }
}

function pathOf({ pathname }: URL, protocol: 'root' | 'https'): string {
  // The first slash ends the host name, the second begins the path: servers refuse a relative path.
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
    throw usageError(`--for: the path ${path} has an invalid percent-encoding`)
  }
}
