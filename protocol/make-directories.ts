import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory and those above it that are missing, 0700, and gives back the topmost that was
 * made, as `mkdirSync` does with `recursive`. That one tries for ever where the system says of an
 * existing parent that there is no such file, as in /proc.
 */
export function makeDirectories(path: string): string | undefined {
  if (isDirectory(path)) return undefined
  const parent = dirname(path)
  const first = parent === path ? undefined : makeDirectories(parent)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Somebody else may have made it just now.
    if (!isDirectory(path)) throw error
  }
  return first ?? path
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
