import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { replaceFile } from '../../protocol/replace-file.ts'
import { unreadable } from '../../protocol/system-error.ts'
import { accountDirectory } from '../account-directory.ts'
import type { Io } from '../run.ts'

/** An account file, wherever it is. */
export interface NamedFile {
  /** For questions about it. */
  readonly name: string
  read(): Promise<string>
  write(text: string): Promise<void>
}

/** The file that FILE of -p, -u and -f means: a path, or an account's name (cli.md §1.4). */
export function namedFile(file: string, env: Io['env']): NamedFile {
  if (!file.includes('/')) {
    const directory = accountDirectory(env)
    return {
      name: file,
      read: () => directory.read(file),
      write: (text) => directory.write(file, text),
    }
  }
  const path = file.startsWith('~/') ? join(env['HOME'] ?? homedir(), file.slice(2)) : file
  return {
    name: basename(path),
    read: () => readPath(path),
    write: (text) => replaceFile(path, text),
  }
}

async function readPath(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}
