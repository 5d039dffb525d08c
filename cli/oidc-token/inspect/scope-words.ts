import { scopeParts } from './scope-path.ts'

/** What a scope without a path, or for which it does not matter, allows. */
const plain: Readonly<Record<string, string>> = {
  'compute.read': 'see jobs',
  'compute.create': 'submit jobs',
  'compute.modify': 'change jobs',
  'compute.cancel': 'remove jobs',
  'condor:/READ': 'query HTCondor',
  'condor:/WRITE': 'submit, change and remove jobs in HTCondor',
  openid: 'know who you are',
  profile: 'know your name',
  email: 'know your e-mail address',
  offline_access: 'get tokens while you are away (refresh token)',
  wlcg: 'a token as the WLCG profile has it',
  'wlcg.groups': 'name your groups',
}

/** What a scope with a path allows, before the place. */
const withPath: Readonly<Record<string, string>> = {
  'storage.read': 'read files',
  'storage.create': 'make new files and directories, and overwrite none,',
  'storage.modify': 'make, change, rename and delete files',
  'storage.stage': 'bring files from tape to disk',
  'storage.poll': 'ask whether files are on disk',
  read: 'read files',
  write: 'make, change, rename and delete files',
}

/** A scope for a person; empty where nobody knows what it means. */
export function scopeInWords(scope: string): string {
  const known = Object.hasOwn(plain, scope) ? plain[scope] : undefined
  if (known !== undefined) return known
  const { right, path } = scopeParts(scope)
  if (right === 'wlcg.groups' && path !== undefined) return `name your group ${path}`
  const what = Object.hasOwn(withPath, right) ? withPath[right] : undefined
  return what === undefined ? '' : `${what} ${placeOf(path)}`
}

function placeOf(path: string | undefined): string {
  if (path === undefined || path === '') return '(the path is missing)'
  return path === '/' ? 'everywhere' : `below ${path}`
}
