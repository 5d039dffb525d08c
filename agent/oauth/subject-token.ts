import type { Account } from '../../protocol/storage/account.ts'
import { readRegularFile } from '../../protocol/storage/regular-file.ts'
import type { Environment } from '../../protocol/wire/agent-options.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../protocol/wire/json.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { fileAnswer, NoFileAnswer } from '../file-answers.ts'
import { urlOf } from '../http/http-client.ts'
import type { ProviderContext } from './client-authentication.ts'
import type { CiTokenRequest, OpenIdProvider } from './provider.ts'

/** Reads the subject token of an account. It is read for each exchange, as CI platforms rotate it. */
export type ReadSubjectToken = (account: Account, signal: AbortSignal) => Promise<Secret>

/**
 * Reads subject tokens from the CI platform, the file or the environment variable that the account names.
 * @throws AgentError `no-subject-token`, naming the source.
 */
export function subjectTokenReader(
  env: Environment,
  provider: Pick<OpenIdProvider, 'ciToken'>,
): ReadSubjectToken {
  return async ({ name, issuer, subjectToken }, signal) => {
    if (subjectToken?.platform !== undefined) {
      const audience = subjectToken.audience ?? issuer
      const token = await provider.ciToken({ ...jobOf(name, env), audience }, signal)
      return checkedToken(name, token.reveal(), 'the response of the CI platform')
    }
    if (subjectToken?.file !== undefined) return fromFile(name, subjectToken.file)
    return fromVariable(name, subjectToken?.variable, env)
  }
}

function fromVariable(name: string, variable: string | undefined, env: Environment): Secret {
  const value = variable === undefined ? '' : (env[variable] ?? '').trim()
  const place = `the agent's environment variable ${variable ?? '(none named)'}`
  if (value !== '') return checkedToken(name, value, place)
  throw missing(name, place)
}

/** Where GitHub Actions issues ID tokens to a job, by the variables that `id-token: write` sets. */
function jobOf(name: string, env: Environment): { readonly url: string; readonly bearer: Secret } {
  const url = env['ACTIONS_ID_TOKEN_REQUEST_URL']
  const bearer = env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']
  if (url !== undefined && url !== '' && bearer !== undefined && bearer !== '') {
    return { url, bearer: new Secret(bearer) }
  }
  throw new AgentError(
    'no-subject-token',
    `no token to exchange for the account ${name}: this is not a GitHub Actions job with permission to request an ID token`,
    {
      hint: 'ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN are set if the job has:\n\tpermissions:\n\t  id-token: write',
    },
  )
}

async function fromFile(name: string, path: string): Promise<Secret> {
  let text: string
  try {
    text = await fileAnswer(`token ${path}`, () => readRegularFile(path, MAX_FILE_BYTES))
  } catch (cause) {
    const why = cause instanceof NoFileAnswer ? `: ${cause.message}` : ''
    throw missing(name, `${path}${why}`, cause)
  }
  if (text.trim() === '') throw missing(name, path)
  return checkedToken(name, text.trim(), path)
}

/** Longest subject token, in characters. */
const MAX_SUBJECT_TOKEN = 16 * 1024
/** A token and the white space around it. */
const MAX_FILE_BYTES = MAX_SUBJECT_TOKEN + 1024

/**
 * Refuses to send text to a provider that is not a token: the account might name another file by mistake,
 * or because the one who made the account wants to read that file.
 */
function checkedToken(name: string, text: string, place: string): Secret {
  if (text.length <= MAX_SUBJECT_TOKEN && /^[\x21-\x7e]+$/.test(text)) return new Secret(text)
  throw new AgentError(
    'no-subject-token',
    `the account ${name} cannot exchange the content of ${place}: it is not a token, which is one word of at most 16 kB`,
  )
}

function missing(name: string, place: string, cause?: unknown): AgentError {
  return new AgentError(
    'no-subject-token',
    `no token to exchange for the account ${name} in ${place}`,
    {
      hint: 'Name the file or the variable in which the platform provides the token:\n\t$ oidc-gen --subject-token-file or --subject-token-env\nStart the agent with that variable set.',
      cause,
    },
  )
}

/**
 * Requests an ID token from the CI platform of the job, as GitHub Actions defines it: a GET with the job's
 * own token, to which the response is JSON with the ID token as `value`.
 * @throws AgentError `no-subject-token` if the platform refuses.
 */
export async function ciToken(
  { url, bearer, audience }: CiTokenRequest,
  { http }: ProviderContext,
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
