import { AgentError } from '../../protocol/wire/errors.ts'
import type { AccessTokenReply } from '../../protocol/wire/messages.ts'
import { checkVariableName, exportLine } from '../printing.ts'
import type { TokenOptions } from './options.ts'

/** What of a reply is printed, and how. */
export type Output =
  | { readonly form: 'bare'; readonly parts: readonly Part[] }
  | { readonly form: 'exports'; readonly names: ReadonlyMap<Part, string> }
  | { readonly form: 'bearer' }
  | { readonly form: 'auth-header' }

type Part = 'token' | 'issuer' | 'expiresAt'

const defaultNames = { token: 'OIDC_AT', issuer: 'OIDC_ISS', expiresAt: 'OIDC_EXP' } as const
const parts = ['token', 'issuer', 'expiresAt'] as const

type OutputOptions = Pick<TokenOptions, Part | 'all' | 'env' | 'bearer' | 'authHeader'>

/**
 * The output that was asked for, by the precedence of the C tool (cli.md §1.3).
 * @throws AgentError `usage` where a name given cannot name a variable.
 */
export function outputOf(options: OutputOptions): Output {
  if (options.all) return { form: 'bare', parts }
  const wanted = parts.filter((part) => options.env || options[part] !== undefined)
  const [only] = wanted
  if (only === undefined) {
    if (options.bearer) return { form: 'bearer' }
    return options.authHeader ? { form: 'auth-header' } : { form: 'bare', parts: ['token'] }
  }
  if (wanted.length === 1 && options[only] === true) return { form: 'bare', parts: [only] }
  const names = wanted.map((part) => {
    const given = options[part]
    return [
      part,
      typeof given === 'string' ? checkVariableName(given) : defaultNames[part],
    ] as const
  })
  return { form: 'exports', names: new Map(names) }
}

/**
 * The text to print.
 * @throws AgentError `provider-answer` where a value could not be printed without harm.
 */
export function printed(output: Output, reply: AccessTokenReply): string {
  switch (output.form) {
    case 'bearer':
      return `Bearer ${valueOf('token', reply)}\n`
    case 'auth-header':
      // No end of line, as the C tool: scripts put it into an argument as it is.
      return `Authorization: Bearer ${valueOf('token', reply)}`
    case 'bare':
      return output.parts.map((part) => `${valueOf(part, reply)}\n`).join('')
    case 'exports':
      return [...output.names]
        .map(([part, name]) => `${exportLine(name, valueOf(part, reply))}\n`)
        .join('')
  }
}

function valueOf(part: Part, reply: AccessTokenReply): string {
  switch (part) {
    case 'token':
      return printable('access token', reply.access_token)
    case 'issuer':
      return printable('issuer', reply.issuer)
    case 'expiresAt':
      return String(reply.expires_at)
  }
}

/**
 * Lets through what RFC 6749 A.12 allows a token to be: printable ASCII. A provider that puts an end
 * of line or an escape sequence in there would otherwise write to a terminal, a header or a script.
 */
export function printable(what: string, value: string): string {
  if (/^[\x20-\x7e]+$/.test(value)) return value
  const fault = value === '' ? 'is empty' : 'contains characters no token may have'
  throw new AgentError('provider-answer', `the ${what} from the provider ${fault}; not printed`)
}
