import { readFile } from 'node:fs/promises'
import type { Account } from '../../protocol/account.ts'
import { AgentError } from '../../protocol/errors.ts'
import { Secret } from '../../protocol/secret.ts'

/** Reads the token an account exchanges for access tokens: anew each time, as CI platforms rotate it. */
export type ReadSubjectToken = (account: Account) => Promise<Secret>

/**
 * From the file or the environment variable the account names.
 * @throws AgentError `no-subject-token`, naming where it was looked for
 */
export function subjectTokenReader(
  env: Readonly<Record<string, string | undefined>>,
): ReadSubjectToken {
  return async ({ name, subjectToken }) => {
    if (subjectToken?.file !== undefined) return fromFile(name, subjectToken.file)
    const variable = subjectToken?.variable
    const value = variable === undefined ? undefined : env[variable]
    if (value === undefined || value.trim() === '') {
      throw missing(name, `the agent's environment variable ${variable ?? '(none named)'}`)
    }
    return new Secret(value.trim())
  }
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
