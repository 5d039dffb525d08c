import { isAbsolute, join } from 'node:path'
import { type AgentOptions, defaultAgentOptions } from '../../protocol/wire/agent-options.ts'
import { restrictedSocketOf } from '../allow.ts'
import type { CommandSpec } from '../arguments.ts'
import { flag, optionalText, text, texts, type Values, wholeNumber } from '../option.ts'
import { passwordOptions } from '../passwords.ts'

const options = {
  kill: flag('-k, --kill', 'End the running agent, given by OIDCD_PID and OIDC_SOCK.'),
  status: flag('--status', 'Print what the running agent is doing.'),
  socketPath: text(
    '-a, --socket-path, --bind-address, --bind_address=PATH',
    'Path of the socket. A PATH that ends in / is only its directory. XXXXXX at the end of a directory name is replaced by random letters. Default: $TMPDIR/oidc-XXXXXX/oidc-agent.<ppid>',
  ),
  lifetime: wholeNumber(
    '-t, --lifetime=SECONDS',
    'How long accounts stay loaded, unless oidc-add gives another time. 0 means without limit.',
  ),
  confirm: flag('-c, --confirm', 'Ask the person for each access token.'),
  noAutoload: flag(
    '--no-autoload',
    'Do not load accounts automatically when a token is requested.',
  ),
  noAutoReauthenticate: flag(
    '--no-autoreauthenticate, --no-auto-reauthenticate',
    'Do not start a new login when a refresh token has expired.',
  ),
  noWebserver: flag(
    '--no-webserver',
    'Authorization code flow: start no web server for the redirect.',
  ),
  noScheme: flag('--no-scheme', 'Authorization code flow: use no redirect by custom URI scheme.'),
  alwaysAllowIdToken: flag(
    '--always-allow-idtoken, --always-allow-id-token',
    'Give ID tokens without asking the person.',
  ),
  group: optionalText(
    '--with-group[=GROUP]',
    'Let other members of GROUP (default: oidc-agent) use the agent.',
  ),
  restrictedSocket: text(
    '--restricted-socket=PATH',
    'Also open a socket at PATH that gives out only what --allow says. Hand this one to containers and other machines.',
  ),
  allow: texts(
    '--allow=LIMIT',
    "A limit of --restricted-socket, 'ACCOUNT&scopes=S1,S2&audience=A1,A2'. A request must fit in one limit. scopes=* allows all scopes; without audience no audience may be requested. May be repeated.",
  ),
  nonInteractive: flag(
    '--non-interactive',
    'For jobs without a person: commands that use this agent ask no questions and open no browser, and each kind of failure has an exit status of its own.',
  ),
  load: texts(
    '--load=ACCOUNT',
    'Load this account into the agent that is started, with the password of --pw-file, --pw-env or --pw-cmd. Its file is ACCOUNT.account in $CREDENTIALS_DIRECTORY, else ACCOUNT in the config directory. An account in OIDC_ACCOUNT_JSON is loaded without this option.',
  ),
  ...passwordOptions,
  json: flag('--json', 'Print socket and pid, or the status, as JSON.'),
  quiet: flag('--quiet', 'Print no messages for the person.'),
  pidFile: text('--pid-file=PATH', 'Write the pid to this file.'),
  console: flag('-d, --console', 'Stay in the foreground.'),
  debug: flag('-g, --debug', 'Write a more detailed log.'),
  logStderr: flag('--log-stderr', 'Write the log to stderr as well.'),
  // Scripts around the C agent, such as oidc-agent-service, pass these options.
  restartOnUpdate: flag('--restart-on-update', 'Accepted without effect.'),
  seccomp: flag('--seccomp', 'Accepted without effect.'),
  storePassword: optionalText(
    '--pw-store[=TIME]',
    'Accepted without effect: the agent keeps keys, not passwords.',
  ),
}

/** The options of `oidc-agent` and their values (cli.md §1.1). */
export type LauncherOptions = Values<typeof options>

export const oidcAgent: CommandSpec<typeof options> = {
  name: 'oidc-agent',
  summary:
    'Start an agent that holds logins at OpenID providers and gives out access tokens: eval `oidc-agent`. With COMMAND, start an agent for that command, which ends with it.',
  options,
  operands: { label: '[COMMAND [ARGS...]]', min: 0, max: Number.POSITIVE_INFINITY },
  headings: {
    kill: 'The running agent',
    socketPath: 'The agent started',
    console: 'Verbosity',
    restartOnUpdate: 'Compatibility options (no effect)',
  },
  stopAtOperand: true,
}

/** Group of `--with-group` without a name. */
const DEFAULT_GROUP = 'oidc-agent'

/** The options of the daemon. Relative paths are resolved: the daemon has another working directory. */
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
    restrictedSocket: restrictedSocketOf(
      { option: '--restricted-socket', path: given.restrictedSocket, allow: given.allow },
      place.directory,
    ),
    console: given.console,
    debug: given.debug,
    logStderr: given.logStderr,
    pidFile: absolute(given.pidFile),
    parentPipe: place.parentPipe,
  }
}

/** `path` resolved in `directory`. Unlike `resolve`, keeps a `/` at the end, which marks a directory. */
function absolutePath(path: string, directory: string): string {
  return isAbsolute(path) ? path : join(directory, path)
}
