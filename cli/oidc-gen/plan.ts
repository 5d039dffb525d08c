import { type Arguments, usageError } from '../arguments.ts'
import { isUnattendedGrant } from './account-json.ts'
import type { oidcGen } from './options.ts'

/** What `oidc-gen` was called for, by the precedence of the C tool (cli.md §1.4). */
export type GenMode =
  | ManagingMode
  | { readonly kind: 'complete-by-redirect'; readonly uri: string }
  | { readonly kind: 'complete-by-state'; readonly state: string }
  | { readonly kind: 'reauthenticate'; readonly account: string }
  | { readonly kind: 'only-token'; readonly account: string | undefined }
  | { readonly kind: 'configure'; readonly account: string | undefined }
  | { readonly kind: 'create'; readonly account: string | undefined }

/** What needs no login. */
export type ManagingMode =
  | { readonly kind: 'list' }
  | { readonly kind: 'print'; readonly file: string }
  | { readonly kind: 'update'; readonly file: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'delete'; readonly account: string }

export function isManaging(mode: GenMode): mode is ManagingMode {
  return ['list', 'print', 'update', 'rename', 'delete'].includes(mode.kind)
}

/** @throws AgentError `usage` where an account must be named and is not, or options contradict. */
export function modeOf(args: Arguments<typeof oidcGen.options>): GenMode {
  const [account] = args.operands
  return fileMode(args) ?? accountMode(args) ?? loginMode(args, account)
}

function fileMode({ options }: Arguments<typeof oidcGen.options>): GenMode | undefined {
  if (options.accounts) return { kind: 'list' }
  if (options.print !== undefined) return { kind: 'print', file: options.print }
  if (options.update === undefined) return undefined
  if (options.noSave) throw usageError('Update argument cannot be combined with no-save')
  return { kind: 'update', file: options.update }
}

function accountMode({
  options,
  operands,
}: Arguments<typeof oidcGen.options>): GenMode | undefined {
  if (options.rename !== undefined) {
    if (options.noSave) throw usageError('Rename argument cannot be combined with no-save')
    return { kind: 'rename', from: named(operands, 'rename'), to: options.rename }
  }
  const completing = completingMode(options)
  if (completing !== undefined) return completing
  if (options.delete) return { kind: 'delete', account: named(operands, 'delete') }
  if (!options.reauthenticate) return undefined
  return { kind: 'reauthenticate', account: named(operands, 'reauthenticate') }
}

function completingMode({
  codeExchange,
  state,
}: Arguments<typeof oidcGen.options>['options']): GenMode | undefined {
  if (codeExchange !== undefined) return { kind: 'complete-by-redirect', uri: codeExchange }
  return state === undefined ? undefined : { kind: 'complete-by-state', state }
}

function loginMode(
  { options }: Arguments<typeof oidcGen.options>,
  account: string | undefined,
): GenMode {
  if (options.onlyToken) return { kind: 'only-token', account }
  const hasClient =
    options.file !== undefined ||
    options.clientId !== undefined ||
    // Providers register no client that needs nobody's approval, nor one with a key of ours.
    options.privateKey !== undefined ||
    isUnattendedGrant(options.flow[0])
  return options.manual || hasClient ? { kind: 'configure', account } : { kind: 'create', account }
}

function named([account]: readonly string[], doing: string): string {
  if (account === undefined) throw usageError(`name the account to ${doing}`)
  return account
}
