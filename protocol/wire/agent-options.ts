/** Environment variables, as the process was given them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What `oidc-agent` was told on its command line and config file, handed to the daemon as one JSON argument. */
export interface AgentOptions {
  /** `-a`: a path, a directory ending in `/`, with `XXXXXX` made random; undefined = the default place. */
  readonly socketPath: string | undefined
  /** Parent pid of the process the person started: part of the default socket's name. */
  readonly parentPid: number
  /** `-t`: default lifetime of accounts in seconds; 0 = for ever. */
  readonly lifetime: number
  readonly autoload: boolean
  readonly confirm: boolean
  readonly autoReauthenticate: boolean
  readonly webserver: boolean
  readonly customUriScheme: boolean
  readonly alwaysAllowIdToken: boolean
  /** `--with-group`: undefined = off. */
  readonly group: string | undefined
  /** `--restricted-socket` with its `--allow`, each a text of protocol/wire/ceiling.ts. */
  readonly restrictedSocket:
    | { readonly path: string; readonly allow: readonly string[] }
    | undefined
  /** `-d`: in the foreground. */
  readonly console: boolean
  /** `-g`. */
  readonly debug: boolean
  readonly logStderr: boolean
  readonly pidFile: string | undefined
  /** True: end when file descriptor 4 reaches its end (`oidc-agent COMMAND`). */
  readonly parentPipe: boolean
}

/** Options where nothing was said. */
export const defaultAgentOptions: AgentOptions = {
  socketPath: undefined,
  parentPid: 1,
  lifetime: 0,
  autoload: true,
  confirm: false,
  autoReauthenticate: true,
  webserver: true,
  customUriScheme: true,
  alwaysAllowIdToken: false,
  group: undefined,
  restrictedSocket: undefined,
  console: false,
  debug: false,
  logStderr: false,
  pidFile: undefined,
  parentPipe: false,
}

/** What the daemon tells its launcher on file descriptor 3: one JSON line. */
export type DaemonReport =
  | { readonly socket: string; readonly pid: number }
  | { readonly error: string; readonly code: string; readonly hint?: string | undefined }
