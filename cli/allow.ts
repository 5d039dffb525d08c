import { resolve, sep } from 'node:path'
import { parseCeiling } from '../protocol/wire/ceiling.ts'
import { AgentError } from '../protocol/wire/errors.ts'
import { usageError } from './arguments.ts'

/** A restricted socket, as the agent opens it. */
interface RestrictedSocket {
  readonly path: string
  readonly allow: readonly string[]
}

/**
 * The restricted socket that the options describe; undefined if they describe none. A relative path is resolved
 * in `directory`.
 * @throws AgentError `usage` if one option lacks the other, or if a limit is malformed
 */
export function restrictedSocketOf(
  given: {
    readonly option: string
    readonly path: string | undefined
    readonly allow: readonly string[]
  },
  directory: string,
): RestrictedSocket | undefined {
  const { option, path, allow } = given
  if (path === undefined) {
    if (allow.length > 0) throw usageError(`--allow needs ${option}`)
    return undefined
  }
  if (allow.length === 0) throw usageError(`${option} needs at least one --allow`)
  for (const limit of allow) checkLimit(limit)
  return { path: socketPath(option, path, directory), allow }
}

/**
 * The absolute path of a restricted socket.
 * @throws AgentError `usage` if `path` is not the path of a file
 */
export function socketPath(option: string, path: string, directory: string): string {
  if (path === '' || path.endsWith(sep)) throw usageError(`${option} needs the path of a socket`)
  return resolve(directory, path)
}

function checkLimit(limit: string): void {
  try {
    parseCeiling(limit)
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    throw usageError(`--allow: ${error.message.replace(/^Bad Request: /, '')}`)
  }
}
