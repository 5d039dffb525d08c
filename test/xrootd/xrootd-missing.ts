import { spawnSync } from 'node:child_process'
import { SERVER_USER, serverUser } from './server-user.ts'
import { trustingRefused } from './trust.ts'

/** Commands, and the Debian package of each. */
const COMMANDS: Readonly<Record<string, string>> = {
  xrootd: 'xrootd-server',
  xrdcp: 'xrootd-client',
  xrdfs: 'xrootd-client',
  'scitokens-verify': 'scitokens-cpp',
  rclone: 'rclone',
  curl: 'curl',
  openssl: 'openssl',
  unshare: 'util-linux',
  setpriv: 'util-linux',
}

const LIBRARIES: Readonly<Record<string, string>> = {
  'libXrdAccSciTokens-5.so': 'xrootd-scitokens-plugins',
  'libXrdHttp-5.so': 'xrootd-server-plugins',
  'libXrdSecztn-5.so': 'xrootd-plugins',
}

/** Why XRootD cannot be run here; undefined if it can. */
export function xrootdMissing(): string | undefined {
  const packages = missingPackages()
  if (packages.length > 0) return `not installed: ${packages.join(' ')}`
  if (serverUser() === undefined) return `no user ${SERVER_USER}`
  return trustingRefused()
}

/** Why the behaviour of XRootD 5.5 cannot be tested here: {@link xrootdMissing}, or another version. */
export function xrootd55Missing(): string | undefined {
  const missing = xrootdMissing()
  if (missing !== undefined) return missing
  const { stderr } = spawnSync('xrootd', ['-v'], { encoding: 'utf8' })
  return stderr.startsWith('v5.5.') ? undefined : `written for 5.5, not ${stderr.trim()}`
}

/** The reason, for the title of skipped tests. */
export function skipped(reason: string | undefined): string {
  return reason === undefined ? '' : ` (skipped: ${reason})`
}

function missingPackages(): readonly string[] {
  const known = spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' })
  const lacking = [
    ...Object.entries(COMMANDS).filter(([name]) => !isCommand(name)),
    ...Object.entries(LIBRARIES).filter(
      ([name]) => known.status !== 0 || !known.stdout.includes(name),
    ),
  ]
  return [...new Set(lacking.map(([, debian]) => debian))]
}

function isCommand(name: string): boolean {
  return spawnSync('/bin/sh', ['-c', 'command -v "$1"', 'sh', name]).status === 0
}
