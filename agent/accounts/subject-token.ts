import { readFile } from 'node:fs/promises'
import type { Account, SubjectTokenSource } from '../../protocol/account.ts'
import type { Environment } from '../../protocol/agent-address.ts'
import { AgentError } from '../../protocol/errors.ts'
import { Secret } from '../../protocol/secret.ts'
import type { OpenIdProvider } from '../oidc/provider.ts'

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
