import { spawnSync } from 'node:child_process'

/** The one list of authorities that the SciTokens library looks at: libcurl's built-in path. */
export const SYSTEM_BUNDLE = '/etc/ssl/certs/ca-certificates.crt'

/** A command with its arguments. */
export type CommandLine = readonly [string, ...string[]]

/**
 * A command line that runs `command` where `bundle` stands in place of the system's authorities:
 * libSciTokens 0.7 cannot be told of another authority by file or environment (wlcg.md §8).
 */
export function trusting(bundle: string, command: CommandLine): CommandLine {
  return mounting(bundle, SYSTEM_BUNDLE, command)
}

/**
 * A command line that runs `command` in a mount namespace of its own, where `what` stands in place
 * of `where`; the machine itself stays as it is. The process keeps its id through all of this, as
 * each step replaces itself by the next.
 */
export function mounting(what: string, where: string, command: CommandLine): CommandLine {
  const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
  return [...namespace(), '/bin/sh', '-c', script, 'sh', what, where, ...command]
}

/** What keeps {@link trusting} from working here, if anything. */
export function trustingRefused(): string | undefined {
  const [command, ...args] = trusting(SYSTEM_BUNDLE, ['true'])
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? undefined : `no private mount namespace: ${stderr.trim()}`
}

function namespace(): CommandLine {
  if (process.getuid?.() === 0) return ['unshare', '--mount']
  // An ordinary user may mount in a user namespace of its own, where the system permits those.
  return ['unshare', '--user', '--map-current-user', '--keep-caps', '--mount']
}
