import type { AgentOptions } from '../../protocol/wire/agent-options.ts'
import type { ShareState, TokenFileState } from '../../protocol/wire/messages.ts'
import { tokenFileLine } from '../../protocol/wire/text.ts'
import { FORMAT_VERSION } from '../../protocol/wire/version.ts'
import type { Handler } from '../context.ts'

/** Answers that the agent lives, and whether it works on the request of a nonce. It never waits for a person. */
export const check: Handler<'check'> = ({ nonce }, { running }) =>
  nonce === undefined
    ? { status: 'success' }
    : { status: 'success', request_state: running.has(nonce) ? 'running' : 'unknown' }

export const status: Handler<'status'> = (_request, context) => ({
  status: 'success',
  info:
    statusText(context.options, context.keyring.names()) +
    tokenFilesText(context.tokenFiles.list()) +
    sharesText(context.restrictedSockets.list()),
})

export const statusJson: Handler<'status_json'> = (
  _request,
  { options, keyring, tokenFiles, restrictedSockets },
) => ({
  status: 'success',
  info: {
    version: FORMAT_VERSION,
    command_line_options: commandLineOptions(options),
    loaded_accounts: keyring.names(),
    accounts: keyring.all().map(({ name, account, loginExpired }) => ({
      name,
      issuer: account.issuer,
      grant: account.grant,
      refresh_token_expires_at: account.refreshTokenExpiresAt ?? null,
      login_expired: loginExpired,
    })),
    // Left out if there are none: then the reply is the C agent's, and nothing more.
    ...(tokenFiles.list().length > 0 && { token_files: tokenFiles.list() }),
    ...(restrictedSockets.list().length > 0 && { shares: restrictedSockets.list() }),
  },
})

export const lockAgent: Handler<'lock'> = async ({ password }, { lock, tokenFiles }) => {
  await lock.lock(password)
  // A locked agent gives out no tokens: token files are removed before the reply.
  await tokenFiles.settled()
  return { status: 'success', info: 'Agent locked' }
}

export const unlockAgent: Handler<'unlock'> = async ({ password }, { lock }, signal) => {
  await lock.unlock(password, signal)
  return { status: 'success', info: 'Agent unlocked' }
}

/** The text of `oidc-agent --status`, in the C agent's form (protocol.md §2.4). */
function statusText(options: AgentOptions, loaded: readonly string[]): string {
  return `####################################
##       oidc-agent status        ##
####################################

This agent is running version ${FORMAT_VERSION}.

This agent was started with the following options:
Lifetime:\t\t${options.lifetime === 0 ? 'Forever' : `${options.lifetime} seconds`}
Confirm:\t\t${String(options.confirm)}
Autoload:\t\t${String(options.autoload)}
Auto Re-authenticate:\t${String(options.autoReauthenticate)}
Use custom URI scheme:\t${String(options.customUriScheme)}
Webserver:\t\t${String(options.webserver)}
Allow ID-Token:\t\t${String(options.alwaysAllowIdToken)}
Group:\t\t\t${options.group ?? 'false'}
Daemon:\t\t\t${String(!options.console)}
Log Debug:\t\t${String(options.debug)}
Log to stderr:\t\t${String(options.logStderr)}

Currently there are ${loaded.length} accounts loaded: ${loaded.join(', ')}

`
}

/** The kept token files, after the C agent's text of `--status`; empty if there are none. */
function tokenFilesText(files: readonly TokenFileState[]): string {
  if (files.length === 0) return ''
  const lines = files.map((file) => `${tokenFileLine(file)}\n`)
  return `Token files kept fresh:\n${lines.join('')}\n`
}

/** The restricted sockets, after the C agent's text of `--status`; empty if there are none. */
function sharesText(shares: readonly ShareState[]): string {
  if (shares.length === 0) return ''
  const lines = shares.map(({ path, allow, expires_at: end }) => {
    const until = end === null ? '' : ` until ${new Date(end * 1000).toISOString()}`
    return `${path}${until}\n${allow.map((ceiling) => `\t${ceiling}\n`).join('')}`
  })
  return `Restricted sockets:\n${lines.join('')}\n`
}

/** The options as a command line, in the C agent's order; oidc-agent-service restarts with them. */
function commandLineOptions(options: AgentOptions): string {
  const words: readonly (readonly [boolean, string])[] = [
    [options.lifetime > 0, `--lifetime=${options.lifetime}`],
    [options.confirm, '--confirm'],
    [!options.autoload, '--no-autoload'],
    [!options.autoReauthenticate, '--no-autoreauthenticate'],
    [!options.customUriScheme, '--no-scheme'],
    [!options.webserver, '--no-webserver'],
    [options.alwaysAllowIdToken, '--always-allow-idtoken'],
    [options.group !== undefined, `--with-group=${options.group ?? ''}`],
    [options.console, '--console'],
    [options.debug, '--debug'],
    [options.logStderr, '--log-stderr'],
  ]
  return words
    .filter(([isSet]) => isSet)
    .map(([, word]) => word)
    .join(' ')
}
