import { type Arguments, usageError } from '../argv.ts'
import type { AddOptions, oidcAdd } from './options.ts'

/** What `oidc-add` was called for. */
export type AddMode =
  | { readonly kind: 'list' }
  | { readonly kind: 'loaded' }
  | { readonly kind: 'lock' }
  | { readonly kind: 'unlock' }
  | { readonly kind: 'remove-all' }
  | { readonly kind: 'print'; readonly operand: string }
  | { readonly kind: 'remove'; readonly operand: string }
  | { readonly kind: 'load'; readonly operand: string }

/** @throws AgentError `usage` where an account is needed and none was named. */
export function modeOf({ options, operands }: Arguments<typeof oidcAdd.options>): AddMode {
  const alone = modeWithoutAccount(options)
  if (alone !== undefined) return alone
  const [operand] = operands
  if (operand === undefined) throw usageError('no account was named')
  if (options.print) return { kind: 'print', operand }
  return options.remove ? { kind: 'remove', operand } : { kind: 'load', operand }
}

function modeWithoutAccount(options: AddOptions): AddMode | undefined {
  if (options.list) return { kind: 'list' }
  if (options.loaded) return { kind: 'loaded' }
  if (options.lock) return { kind: 'lock' }
  if (options.unlock) return { kind: 'unlock' }
  return options.removeAll ? { kind: 'remove-all' } : undefined
}
