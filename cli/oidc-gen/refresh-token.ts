import { AgentError } from '../../protocol/errors.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import type { GenSetting } from './setting.ts'

/**
 * The refresh token from --rt or --rt-env, as a member of an account.
 * @throws AgentError `bad-request` where the variable is not set.
 */
export function givenRefreshToken({ options, io }: GenSetting): JsonObject {
  if (options.refreshToken !== undefined) return { refresh_token: options.refreshToken }
  if (options.refreshTokenEnv === undefined) return {}
  const name = options.refreshTokenEnv === true ? 'OIDC_REFRESH_TOKEN' : options.refreshTokenEnv
  const token = io.env[name]
  if (token === undefined || token === '') throw new AgentError('bad-request', `${name} not set!`)
  return { refresh_token: token }
}
