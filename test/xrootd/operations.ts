import type { Finished } from '../support/command.ts'
import { contentOf, isDirectory, NEW_CONTENT, type Presented, type Site, stored } from './site.ts'
import type { CommandLine } from './trust.ts'

/** An operation on a file or its directory: by XRootD's own clients or over HTTPS. */
export type Operation =
  | 'root read'
  | 'root stat'
  | 'root list'
  | 'root write new'
  | 'root overwrite'
  | 'root remove'
  | 'root mkdir'
  | 'root rename'
  | 'https get'
  | 'https head'
  | 'https list'
  | 'https put new'
  | 'https overwrite'
  | 'https delete'
  | 'https mkcol'
  | 'https move'

/** One run of an operation. */
export interface Attempt {
  readonly site: Site
  readonly token: Presented
  /** One of the server's files; `new.txt`, `dir` and `moved.txt` are made in its directory. */
  readonly path: string
}

interface OperationParts {
  readonly command: (attempt: Attempt) => CommandLine
  /** Whether the operation took effect, independently of its exit status. */
  readonly happened: (attempt: Attempt, said: Finished) => Promise<boolean> | boolean
}

const read = ({ path }: Attempt, said: Finished): boolean => said.stdout.includes(contentOf(path))
const listed = ({ path }: Attempt, said: Finished): boolean => said.stdout.includes(path)
const isNew = async (attempt: Attempt): Promise<boolean> =>
  (await stored(attempt.site, sibling(attempt, 'new.txt'))) === NEW_CONTENT
const overwritten = async ({ site, path }: Attempt): Promise<boolean> =>
  (await stored(site, path)) === NEW_CONTENT
const gone = async ({ site, path }: Attempt): Promise<boolean> =>
  (await stored(site, path)) === undefined
const moved = async (attempt: Attempt): Promise<boolean> =>
  (await stored(attempt.site, sibling(attempt, 'moved.txt'))) === contentOf(attempt.path)

export const OPERATIONS: Readonly<Record<Operation, OperationParts>> = {
  'root read': {
    command: (attempt) => ['xrdcp', '-f', rootUrl(attempt), '-'],
    happened: read,
  },
  'root stat': {
    command: (attempt) => xrdfs(attempt, 'stat', attempt.path),
    happened: (_attempt, said) => said.stdout.includes('Size:'),
  },
  'root list': {
    command: (attempt) => xrdfs(attempt, 'ls', directoryOf(attempt)),
    happened: listed,
  },
  'root write new': {
    command: (attempt) => ['xrdcp', upload(attempt), rootUrl(attempt, sibling(attempt, 'new.txt'))],
    happened: isNew,
  },
  'root overwrite': {
    command: (attempt) => ['xrdcp', '-f', upload(attempt), rootUrl(attempt)],
    happened: overwritten,
  },
  'root remove': {
    command: (attempt) => xrdfs(attempt, 'rm', attempt.path),
    happened: gone,
  },
  'root mkdir': {
    command: (attempt) => xrdfs(attempt, 'mkdir', sibling(attempt, 'dir')),
    happened: (attempt) => isDirectory(attempt.site, sibling(attempt, 'dir')),
  },
  'root rename': {
    command: (attempt) => xrdfs(attempt, 'mv', attempt.path, sibling(attempt, 'moved.txt')),
    happened: moved,
  },
  'https get': {
    command: (attempt) => curl(attempt, [], attempt.path),
    happened: read,
  },
  'https head': {
    command: (attempt) => curl(attempt, ['--head'], attempt.path),
    happened: ({ path }, said) => said.stdout.includes(`Content-Length: ${contentOf(path).length}`),
  },
  'https list': {
    command: (attempt) =>
      curl(attempt, ['-X', 'PROPFIND', '-H', 'Depth: 1'], `${directoryOf(attempt)}/`),
    happened: listed,
  },
  'https put new': {
    command: (attempt) => curl(attempt, ['-T', upload(attempt)], sibling(attempt, 'new.txt')),
    happened: isNew,
  },
  'https overwrite': {
    command: (attempt) => curl(attempt, ['-T', upload(attempt)], attempt.path),
    happened: overwritten,
  },
  'https delete': {
    command: (attempt) => curl(attempt, ['-X', 'DELETE'], attempt.path),
    happened: gone,
  },
  'https mkcol': {
    command: (attempt) => curl(attempt, ['-X', 'MKCOL'], sibling(attempt, 'dir')),
    happened: (attempt) => isDirectory(attempt.site, sibling(attempt, 'dir')),
  },
  'https move': {
    command: (attempt) => {
      const to = `Destination: ${attempt.site.server.httpsUrl}${sibling(attempt, 'moved.txt')}`
      return curl(attempt, ['-X', 'MOVE', '-H', to], attempt.path)
    },
    happened: moved,
  },
}

export const ALL_OPERATIONS = Object.keys(OPERATIONS) as readonly Operation[]

function directoryOf({ path }: Attempt): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function sibling(attempt: Attempt, name: string): string {
  return `${directoryOf(attempt)}/${name}`
}

function upload({ site }: Attempt): string {
  return `${site.directory}/new.txt`
}

function rootUrl({ site, path }: Attempt, other = path): string {
  return `${site.server.rootUrl}${other}`
}

function xrdfs({ site }: Attempt, ...words: readonly string[]): CommandLine {
  return ['xrdfs', site.server.rootUrl, ...words]
}

function curl({ site, token }: Attempt, options: readonly string[], path: string): CommandLine {
  const url = `${site.server.httpsUrl}${path}`
  return ['curl', '-sS', '--fail', '-H', `@${token.header}`, ...options, url]
}
