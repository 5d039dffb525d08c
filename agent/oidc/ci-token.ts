import { AgentError } from '../../protocol/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/json.ts'
import { Secret } from '../../protocol/secret.ts'
import type { Upstream } from './openid-call.ts'
import type { CiTokenRequest } from './provider.ts'
import { urlOf } from './web-address.ts'

/**
 * The ID token a CI platform gives its job on request, as GitHub Actions does: a GET with the job's
 * own token, answered by JSON with the ID token as `value`.
 * @throws AgentError `no-subject-token` where the platform refuses
 */
export async function ciToken(
  { url, bearer, audience }: CiTokenRequest,
  { http }: Upstream,
  signal: AbortSignal,
): Promise<Secret> {
  const address = urlOf(url)
  address.searchParams.set('audience', audience)
  const { status, body } = await http.send(
    {
      url: address.href,
      method: 'GET',
      headers: { accept: 'application/json', authorization: `Bearer ${bearer.reveal()}` },
    },
    { certPath: undefined, plainHttp: address.protocol === 'http:' },
    signal,
  )
  const value = status === 200 ? valueIn(body) : undefined
  if (value !== undefined) return new Secret(value)
  const response = status === 200 ? 'without a token' : `with status ${status}`
  throw new AgentError('no-subject-token', `${address.host} answered ${response} to the CI job`, {
    hint: 'In GitHub Actions the job needs:\n\tpermissions:\n\t  id-token: write',
  })
}

function valueIn(body: string): string | undefined {
  try {
    const content = parseTolerantJson(body)
    const value = isJsonObject(content) ? content['value'] : undefined
    return typeof value === 'string' && value !== '' ? value : undefined
  } catch {
    return undefined
  }
}
