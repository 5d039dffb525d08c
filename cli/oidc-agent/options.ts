import { isAbsolute, join } from 'node:path'
import { type AgentOptions, defaultAgentOptions } from '../../protocol/wire/agent-options.ts'
import type { CommandSpec } from '../arguments.ts'
import { flag, optionalText, text, texts, type Values, wholeNumber } from '../option.ts'
import { passwordOptions } from '../passwords.ts'

const options = {
  kill: flag('-k, --kill', 'End the running agent, given by OIDCD_PID and OIDC_SOCK.'),
  status: flag('--status', 'Print what the running agent is doing.'),
  socketPath: text(
    '-a, --socket-path, --bind-address, --bind_address=PATH',
    'Where the socket is made; a PATH ending in / is only its directory, XXXXXX at the end of a directory becomes random. Default: $TMPDIR/oidc-XXXXXX/oidc-agent.<ppid>',
  ),
  lifetime: wholeNumber(
    '-t, --lifetime=SECONDS',
    'How long accounts stay loaded, if oidc-add says nothing else; 0 is for ever.',
  ),
  confirm: flag('-c, --confirm', 'Ask the person for each access token.'),
  noAutoload: flag(
    '--no-autoload',
    'Never load an account that a token is asked of: it must have been loaded.',
  ),
  noAutoReauthenticate: flag(
    '--no-autoreauthenticate, --no-auto-reauthenticate',
    'Do not start a new login where a refresh token has expired.',
  ),
  noWebserver: flag(
    '--no-webserver',
    'Authorization code flow: start no web server for the redirect.',
  ),
  noScheme: flag('--no-scheme', 'Authorization code flow: use no redirect by custom URI scheme.'),
  alwaysAllowIdToken: flag(
    '--always-allow-idtoken, --always-allow-id-token',
    'Give id tokens without asking the person.',
  ),
  group: optionalText(
    '--with-group[=GROUP]',
    'Let other members of GROUP (default: oidc-agent) use the agent.',
  ),
  nonInteractive: flag(
    '--non-interactive',
    'For jobs without a person: no command started or announced by this asks a question or opens a browser, and failures have statuses that tell them apart.',
  ),
  load: texts(
    '--load=ACCOUNT',
    'Load this account into the agent that is started, with the password of --pw-file, --pw-env or --pw-cmd. Its file is looked for as ACCOUNT.account in $CREDENTIALS_DIRECTORY, then in the config directory. An account in OIDC_ACCOUNT_JSON is loaded by itself.',
  ),
  ...passwordOptions,
  json: flag('--json', 'Print socket and pid, or the status, as JSON.'),
  quiet: flag('--quiet', 'Print no message for the person.'),
  pidFile: text('--pid-file=PATH', 'Write the pid to this file.'),
  console: flag('-d, --console', 'Stay in the foreground.'),
  debug: flag('-g, --debug', 'Log more.'),
  logStderr: flag('--log-stderr', 'Log to stderr too.'),
  // What scripts around the C agent pass, as oidc-agent-service does, must not stop ours.
  restartOnUpdate: flag('--restart-on-update', 'Accepted and without effect.'),
  seccomp: flag('--seccomp', 'Accepted and without effect.'),
  storePassword: optionalText(
    '--pw-store[=TIME]',
    'Accepted and without effect: the agent keeps keys, not passwords.',
  ),
}

/** What is on the command line of `oidc-agent` (cli.md §1.1). */
export type LauncherOptions = Values<typeof options>

export const oidcAgent: CommandSpec<typeof options> = {
  name: 'oidc-agent',
  summary:
    'Start an agent that holds logins at OpenID providers and gives out access tokens: eval `oidc-agent`. With COMMAND, the agent is for that command and ends with it.',
  options,
  operands: { label: '[COMMAND [ARGS...]]', min: 0, max: Number.POSITIVE_INFINITY },
  headings: {
    kill: 'The running agent',
    socketPath: 'The agent started',
    console: 'Verbosity',
    restartOnUpdate: 'Of other versions',
  },
  stopAtOperand: true,
}

/** Group of `--with-group` alone. */
const DEFAULT_GROUP = 'oidc-agent'

/** What the daemon is told. */
export function agentOptions(
  given: LauncherOptions,
  place: { readonly parentPid: number; readonly directory: string; readonly parentPipe: boolean },
): AgentOptions {
  const absolute = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : absolutePath(path, place.directory)
  return {
    ...defaultAgentOptions,
    socketPath: absolute(given.socketPath),
    parentPid: place.parentPid,
    lifetime: given.lifetime ?? defaultAgentOptions.lifetime,
    autoload: !given.noAutoload,
    confirm: given.confirm,
    autoReauthenticate: !given.noAutoReauthenticate,
    webserver: !given.noWebserver,
    customUriScheme: !given.noScheme,
    alwaysAllowIdToken: given.alwaysAllowIdToken,
    group: given.group === true ? DEFAULT_GROUP : given.group,
    console: given.console,
    debug: given.debug,
    logStderr: given.logStderr,
    pidFile: absolute(given.pidFile),
    parentPipe: place.parentPipe,
  }
}

/** `path` seen from `directory`; unlike `resolve`, keeps the `/` at its end, which says directory. */
function absolutePath(path: string, directory: string): string {
  return isAbsolute(path) ? path : join(directory, path)
}
