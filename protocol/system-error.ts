import { AgentError } from './errors.ts'

/** The `code` of a system error, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** What the system says, without code, call and path: `no space left on device`. */
export function systemReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /^E[A-Z0-9]+: (.*), \w+(?: '.*)?$/.exec(text)?.[1] ?? text
}

/** The error of a file that cannot be read. */
export function unreadable(path: string, error: unknown): AgentError {
  if (systemCode(error) === 'ENOENT') {
    return new AgentError('file-not-found', `there is no file ${path}`, { cause: error })
  }
  const message = `cannot read ${path}: ${systemReason(error)}`
  return new AgentError('file-unreadable', message, { cause: error })
}

/** The error of a file or directory that cannot be written, renamed or removed. */
export function unwritable(path: string, error: unknown): AgentError {
  const message = `cannot write ${path}: ${systemReason(error)}`
  return new AgentError('file-unwritable', message, { cause: error })
}
