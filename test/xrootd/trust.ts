import { spawnSync } from 'node:child_process'

/** The only list of authorities that the SciTokens library reads: libcurl's built-in path. */
export const SYSTEM_BUNDLE = '/etc/ssl/certs/ca-certificates.crt'

/** A command with its arguments. */
export type CommandLine = readonly [string, ...string[]]

/**
 * A command line that runs `command` with `bundle` mounted over the system's authorities:
 * libSciTokens 0.7 has no file or variable for other authorities (wlcg.md §8).
 */
export function trusting(bundle: string, command: CommandLine): CommandLine {
  return mounting(bundle, SYSTEM_BUNDLE, command)
}

/**
 * A command line that runs `command` in a mount namespace of its own, with `what` mounted over
 * `where`. The process id does not change, because each step replaces itself by the next.
 */
export function mounting(what: string, where: string, command: CommandLine): CommandLine {
  const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
  return [...namespace(), '/bin/sh', '-c', script, 'sh', what, where, ...command]
}

/** Why {@link trusting} does not work here; undefined if it does. */
export function trustingRefused(): string | undefined {
  const [command, ...args] = trusting(SYSTEM_BUNDLE, ['true'])
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? undefined : `no private mount namespace: ${stderr.trim()}`
}

function namespace(): CommandLine {
  if (process.getuid?.() === 0) return ['unshare', '--mount']
  // An ordinary user may mount in a user namespace, if the system permits those.
  return ['unshare', '--user', '--map-current-user', '--keep-caps', '--mount']
}
