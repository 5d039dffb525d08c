import { isAbsolute, join } from 'node:path'

/** `path` seen from `directory`; unlike `resolve`, keeps the `/` at its end, which says directory. */
export function absolutePath(path: string, directory: string): string {
  return isAbsolute(path) ? path : join(directory, path)
}
