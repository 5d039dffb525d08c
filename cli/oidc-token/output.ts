import type { AccessTokenReply } from '../../protocol/wire/messages.ts'
import { checkVariableName, exportLine, printable } from '../printing.ts'
import type { TokenOptions } from './options.ts'

/** Which parts of a reply are printed, and in which form. */
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
 * The output that the options select, with the precedence of the C tool (cli.md §1.3).
 * @throws AgentError `usage` if a name is not a valid name of a shell variable
 */
export function outputOf(options: OutputOptions): Output {
  if (options.all) return { form: 'bare', parts }
  const selected = parts.filter((part) => options.env || options[part] !== undefined)
  const [only] = selected
  if (only === undefined) {
    if (options.bearer) return { form: 'bearer' }
    return options.authHeader ? { form: 'auth-header' } : { form: 'bare', parts: ['token'] }
  }
  if (selected.length === 1 && options[only] === true) return { form: 'bare', parts: [only] }
  const names = selected.map((part) => {
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
 * @throws AgentError `provider-answer`, see {@link printable}
 */
export function printed(output: Output, reply: AccessTokenReply): string {
  switch (output.form) {
    case 'bearer':
      return `Bearer ${valueOf('token', reply)}\n`
    case 'auth-header':
      // Without an end of line, as by the C tool: scripts use it as an argument.
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
