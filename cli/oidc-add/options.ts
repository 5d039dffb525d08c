import type { AgentAddress } from '../../protocol/client/call.ts'
import type { PlainReply, RequestOf } from '../../protocol/wire/messages.ts'
import { restrictedSocketOf, socketPath } from '../allow.ts'
import { type Arguments, type CommandSpec, usageError } from '../arguments.ts'
import { choice, flag, optionalNumber, text, texts, type Values, wholeNumber } from '../option.ts'
import { passwordOptions } from '../passwords.ts'
import type { Io } from '../run.ts'
import type { Terminal } from '../terminal.ts'

const options = {
  list: flag('-l, --list', 'Lists all configured account configurations'),
  loaded: flag('-a, --loaded', 'Lists the currently loaded account configurations'),
  remove: flag('-r, --remove', 'The account configuration is removed, not added'),
  removeAll: flag('-R, --remove-all', 'Removes all account configurations currently loaded'),
  print: flag('-p, --print', 'Prints the decrypted account configuration and exits'),
  lock: flag('-x, --lock', 'Lock agent'),
  unlock: flag('-X, --unlock', 'Unlock agent'),
  share: text(
    '--share=PATH',
    'Opens a socket at PATH that gives out only what --allow says, for containers and other machines',
  ),
  allow: texts(
    '--allow=LIMIT',
    "A limit of --share, 'ACCOUNT&scopes=S1,S2&audience=A1,A2'. A request must fit in one limit. scopes=* allows all scopes; without audience no audience may be requested. May be repeated",
  ),
  shareFor: wholeNumber(
    '--share-for=TIME',
    'Closes the socket of --share after TIME seconds. Default: with the agent',
  ),
  unshare: text('--unshare=PATH', 'Closes the socket of --share'),
  force: flag('-f, --force', 'Load the account configuration even if it is already loaded'),
  lifetime: wholeNumber(
    '-t, --lifetime=TIME',
    'Set a maximum lifetime in seconds when adding the account configuration',
  ),
  confirm: flag(
    '-c, --confirm',
    'Require user confirmation when an application requests an access token for this configuration',
  ),
  alwaysAllowIdToken: flag(
    '--always-allow-idtoken',
    'Always allow id-token requests without manual approval by the user for this account configuration',
  ),
  skipCheck: flag('--skip-check', 'Do not test the account configuration with a token request'),
  remote: flag('--remote', 'Use a remote central oidc-agent, instead of a local one'),
  ...passwordOptions,
  pwStore: optionalNumber(
    '--pw-store[=TIME]',
    'Keeps the encryption password encrypted in memory for TIME seconds. Default value for TIME: Forever',
  ),
  pwPrompt: choice(
    '--pw-prompt=cli|gui',
    ['cli', 'gui'],
    "Change the mode how oidc-add should prompt for passwords. The default is 'cli'",
  ),
  verbose: flag('-v, --verbose', 'Report on stderr which files are used'),
  debug: flag('-g, --debug', 'Same as --verbose'),
} as const

/** The options of `oidc-add` and their values (cli.md §1.2). */
export type AddOptions = Values<typeof options>

export const oidcAdd: CommandSpec<typeof options> = {
  name: 'oidc-add',
  summary: 'Load account configurations into oidc-agent and remove them from it.',
  options,
  operands: { label: '[ACCOUNT | https://ISSUER]', min: 0, max: 1 },
  headings: {
    list: 'What to do',
    share: 'Restricted sockets',
    force: 'How to load',
    pwEnv: 'Passwords',
    verbose: 'Verbosity',
  },
}

/** What `oidc-add` is to do. */
export type AddMode =
  | { readonly kind: 'list' }
  | { readonly kind: 'loaded' }
  | { readonly kind: 'lock' }
  | { readonly kind: 'unlock' }
  | { readonly kind: 'remove-all' }
  | { readonly kind: 'sharing'; readonly request: RequestOf<'share'> | RequestOf<'unshare'> }
  | { readonly kind: 'print'; readonly operand: string }
  | { readonly kind: 'remove'; readonly operand: string }
  | { readonly kind: 'load'; readonly operand: string }

/**
 * @param directory in which relative paths of sockets are resolved
 * @throws AgentError `usage` if an account is needed and not named, or a limit is malformed
 */
export function modeOf(
  { options, operands }: Arguments<typeof oidcAdd.options>,
  directory: string,
): AddMode {
  const sharing = sharingMode(options, directory)
  if (sharing !== undefined && operands.length > 0) {
    throw usageError('--share and --unshare take no account')
  }
  const alone = sharing ?? modeWithoutAccount(options)
  if (alone !== undefined) return alone
  const [operand] = operands
  if (operand === undefined) throw usageError('no account was named')
  if (options.print) return { kind: 'print', operand }
  return options.remove ? { kind: 'remove', operand } : { kind: 'load', operand }
}

function sharingMode(options: AddOptions, directory: string): AddMode | undefined {
  const { share: path, allow, shareFor, unshare } = options
  const shared = restrictedSocketOf({ option: '--share', path, allow }, directory)
  if (shared === undefined) {
    if (shareFor !== undefined) throw usageError('--share-for needs --share')
    if (unshare === undefined) return undefined
    const closed = socketPath('--unshare', unshare, directory)
    return { kind: 'sharing', request: { request: 'unshare', path: closed } }
  }
  if (unshare !== undefined) throw usageError('--share and --unshare exclude each other')
  return { kind: 'sharing', request: { request: 'share', ...shared, share_for: shareFor } }
}

function modeWithoutAccount(options: AddOptions): AddMode | undefined {
  if (options.list) return { kind: 'list' }
  if (options.loaded) return { kind: 'loaded' }
  if (options.lock) return { kind: 'lock' }
  if (options.unlock) return { kind: 'unlock' }
  return options.removeAll ? { kind: 'remove-all' } : undefined
}

/** The machine `oidc-add` runs on, beyond {@link Io}. */
export interface AddHost {
  /** @throws AgentError `no-terminal` */
  openTerminal(): Terminal
  /** Directory of the administrator's issuer files; absent: the usual one. */
  readonly systemDirectory?: string
}

/** What the modes of `oidc-add` work with. */
export interface AddContext {
  readonly options: AddOptions
  readonly io: Io
  readonly host: AddHost
  readonly agent: AgentAddress | undefined
  /** Opens the terminal. Not called before the first question. */
  readonly terminal: () => Terminal
  /** Writes a line to stderr with --verbose. */
  readonly explain: (line: string) => void
}

/** Prints `success` for scripts, and what the agent reports besides for the person. */
export function printSuccess({ stdout, stderr }: Io, { info }: PlainReply): void {
  stdout.write('success\n')
  if (info !== undefined) stderr.write(`${info}\n`)
}
