import { access, constants } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { JsonObject, JsonValue } from '../../protocol/messages.ts'
import { unreadable } from '../../protocol/system-error.ts'
import { usageError } from '../argv.ts'
import { fieldText } from './account-field.ts'
import type { GenOptions } from './options.ts'

/** Flows whose accounts have no refresh token: what gave the first token gives the next. */
const unattendedGrants: readonly string[] = ['client_credentials', 'token-exchange']

/** Members that say where the token to exchange comes from. */
const sources: readonly string[] = [
  'subject_token_source',
  'subject_token_env',
  'subject_token_file',
]

/** Whether no person logs in, but a robot or a job. */
export function isUnattendedGrant(flow: string | undefined): boolean {
  return flow !== undefined && unattendedGrants.includes(flow)
}

/** The members of an account that the C tools do not know, as far as options give them. */
export function extensionFields(options: GenOptions): JsonObject {
  const fields: Record<string, JsonValue | undefined> = {
    subject_token_audience: options.subjectTokenAudience,
    subject_token_type: options.subjectTokenType,
    private_key_file: absolute(options.privateKey),
    token_endpoint_auth_method: authenticationMethod(options),
    audience_parameter: options.audienceParameter,
    ...subjectTokenSource(options),
  }
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
  )
}

/**
 * Tells what is missing before anything is asked of the provider.
 * @throws AgentError `usage` or `file-not-found`
 */
export async function checkExtensionFields(
  fields: JsonObject,
  { flow }: GenOptions,
): Promise<void> {
  const hasSource = sources.some((name) => fieldText(fields, name) !== undefined)
  if (flow[0] === 'token-exchange' && !hasSource) {
    throw usageError(
      'token-exchange needs --subject-token-source, --subject-token-env or --subject-token-file',
    )
  }
  const key = fieldText(fields, 'private_key_file')
  if (key === undefined) return
  try {
    await access(key, constants.R_OK)
  } catch (error) {
    throw unreadable(key, error)
  }
}

/** The agent stands elsewhere. */
function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path)
}

function authenticationMethod(options: GenOptions): string | undefined {
  const { tokenEndpointAuthMethod, privateKey } = options
  if (tokenEndpointAuthMethod !== undefined) return tokenEndpointAuthMethod
  return privateKey === undefined ? undefined : 'private_key_jwt'
}

/** Where the token to exchange comes from; a source that is given replaces the one there was. */
function subjectTokenSource(options: GenOptions): JsonObject {
  const source = {
    subject_token_source: options.subjectTokenSource ?? '',
    subject_token_env: options.subjectTokenEnv ?? '',
    subject_token_file: absolute(options.subjectTokenFile) ?? '',
  }
  return Object.values(source).some((value) => value !== '') ? source : {}
}
