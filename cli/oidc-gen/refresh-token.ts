import { AgentError } from '../../protocol/errors.ts'
import type { Io } from '../run.ts'
import type { GenOptions } from './options.ts'

/**
 * The refresh token from --rt or --rt-env.
 * @throws AgentError `bad-request` where the variable is not set.
 */
export function givenRefreshToken(
  { refreshToken, refreshTokenEnv }: GenOptions,
  env: Io['env'],
): string | undefined {
  if (refreshToken !== undefined || refreshTokenEnv === undefined) return refreshToken
  const name = refreshTokenEnv === true ? 'OIDC_REFRESH_TOKEN' : refreshTokenEnv
  const token = env[name]
  if (token === undefined || token === '') throw new AgentError('bad-request', `${name} not set!`)
  return token
}
