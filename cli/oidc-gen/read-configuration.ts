import { AgentError } from '../../protocol/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { unlockAccount } from '../unlock-account.ts'
import { namedFile } from './named-file.ts'
import { type GenContext, passwordWays } from './setting.ts'

/** What the file of -f says of a client: JSON as it is, or in an account file. */
export async function readConfiguration(file: string, context: GenContext): Promise<JsonObject> {
  const named = namedFile(file, context.io.env)
  const text = await named.read()
  if (!text.trimStart().startsWith('{')) {
    return (await unlockAccount(named.name, text, passwordWays(context))).fields
  }
  try {
    const value = parseTolerantJson(text)
    if (isJsonObject(value)) return value
  } catch (cause) {
    throw malformed(file, cause)
  }
  throw malformed(file)
}

function malformed(file: string, cause?: unknown): AgentError {
  return new AgentError('file-malformed', `${file} is no JSON object`, { cause })
}
