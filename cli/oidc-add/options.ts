import type { CommandSpec } from '../argv.ts'
import { choice, flag, optionalNumber, type Values, wholeNumber } from '../option.ts'
import { passwordOptions } from '../password-source.ts'

const options = {
  list: flag('-l, --list', 'Lists all configured account configurations'),
  loaded: flag('-a, --loaded', 'Lists the currently loaded account configurations'),
  remove: flag('-r, --remove', 'The account configuration is removed, not added'),
  removeAll: flag('-R, --remove-all', 'Removes all account configurations currently loaded'),
  print: flag('-p, --print', 'Prints the decrypted account configuration and exits'),
  lock: flag('-x, --lock', 'Lock agent'),
  unlock: flag('-X, --unlock', 'Unlock agent'),
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
  verbose: flag('-v, --verbose', 'Say on stderr which files and which agent are used'),
  debug: flag('-g, --debug', 'As --verbose'),
} as const

/** What is on the command line of `oidc-add` (cli.md §1.2). */
export type AddOptions = Values<typeof options>

export const oidcAdd: CommandSpec<typeof options> = {
  name: 'oidc-add',
  summary: 'Load account configurations into oidc-agent and remove them from it.',
  options,
  operands: { label: '[ACCOUNT | https://ISSUER]', min: 0, max: 1 },
  headings: { list: 'What to do', force: 'How to load', pwEnv: 'Passwords', verbose: 'Verbosity' },
}
