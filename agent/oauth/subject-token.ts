import { readFile } from 'node:fs/promises'
import type { Account, SubjectTokenSource } from '../../protocol/storage/account.ts'
import type { Environment } from '../../protocol/wire/agent-options.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/wire/json.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { urlOf } from '../http/url-policy.ts'
import type { CiTokenRequest, OpenIdProvider } from './provider.ts'
import type { Upstream } from './token-endpoint.ts'

/** Reads the token an account exchanges for access tokens: anew each time, as CI platforms rotate it. */
export type ReadSubjectToken = (account: Account, signal: AbortSignal) => Promise<Secret>

/**
 * From the CI platform, the file or the environment variable the account names.
 * @throws AgentError `no-subject-token`, naming where it was looked for
 */
export function subjectTokenReader(
  env: Environment,
  provider: Pick<OpenIdProvider, 'ciToken'>,
): ReadSubjectToken {
  return async ({ name, issuer, subjectToken }, signal) => {
    if (subjectToken?.platform !== undefined) {
      const audience = subjectToken.audience ?? issuer
      return provider.ciToken({ ...jobOf(name, subjectToken, env), audience }, signal)
    }
    if (subjectToken?.file !== undefined) return fromFile(name, subjectToken.file)
    return fromVariable(name, subjectToken?.variable, env)
  }
}

function fromVariable(name: string, variable: string | undefined, env: Environment): Secret {
  const value = variable === undefined ? '' : (env[variable] ?? '').trim()
  if (value !== '') return new Secret(value)
  throw missing(name, `the agent's environment variable ${variable ?? '(none named)'}`)
}

/** Where GitHub Actions gives a job its ID token: variables it sets with `id-token: write`. */
function jobOf(
  name: string,
  { platform }: SubjectTokenSource,
  env: Environment,
): { readonly url: string; readonly bearer: Secret } {
  const url = env['ACTIONS_ID_TOKEN_REQUEST_URL']
  const bearer = env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']
  if (url !== undefined && url !== '' && bearer !== undefined && bearer !== '') {
    return { url, bearer: new Secret(bearer) }
  }
  throw new AgentError(
    'no-subject-token',
    `no token to exchange for the account ${name}: this is no job of ${platform ?? 'a platform'} that may have an ID token`,
    {
      hint: 'ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN are set where the job has:\n\tpermissions:\n\t  id-token: write',
    },
  )
}

async function fromFile(name: string, path: string): Promise<Secret> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw missing(name, path, cause)
  }
  if (text.trim() === '') throw missing(name, path)
  return new Secret(text.trim())
}

function missing(name: string, place: string, cause?: unknown): AgentError {
  return new AgentError(
    'no-subject-token',
    `no token to exchange for the account ${name} in ${place}`,
    {
      hint: 'Name where the platform puts it with\n\t$ oidc-gen --subject-token-file or --subject-token-env\nand start the agent with that variable set.',
      cause,
    },
  )
}

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
