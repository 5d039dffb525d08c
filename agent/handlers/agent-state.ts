import { peerError } from '../../protocol/errors.ts'
import type { AccountInfoReply } from '../../protocol/messages.ts'
import { FORMAT_VERSION } from '../../protocol/version.ts'
import type { Handler } from '../services.ts'
import { commandLineOptions, statusText, tokenFilesText } from './status-text.ts'

export const check: Handler<'check'> = () => ({ status: 'success' })

export const loadedAccounts: Handler<'loaded_accounts'> = (_request, { accounts }) => ({
  status: 'success',
  info: accounts.names(),
})

/** The issuers of all issuer files, most accounts first; which accounts are loaded now. */
export const accountInfo: Handler<'account_info'> = async (
  _request,
  { accounts, knownIssuers },
) => {
  const issuers = [...(await knownIssuers())].sort((a, b) => b.accounts.length - a.accounts.length)
  const info: Record<string, AccountInfoReply['info'][string]> = {}
  for (const { issuer, accounts: names, publicClient } of issuers) {
    const pubclient = publicClient !== undefined
    const loaded = names.map((name) => [name, accounts.get(name) !== undefined] as const)
    info[issuer] =
      names.length === 0 ? { pubclient } : { pubclient, accounts: Object.fromEntries(loaded) }
  }
  return { status: 'success', info }
}

export const status: Handler<'status'> = (_request, { options, accounts, tokenFiles }) => ({
  status: 'success',
  info: statusText(options, accounts.names()) + tokenFilesText(tokenFiles.list()),
})

export const statusJson: Handler<'status_json'> = (
  _request,
  { options, accounts, tokenFiles },
) => ({
  status: 'success',
  info: {
    version: FORMAT_VERSION,
    command_line_options: commandLineOptions(options),
    loaded_accounts: accounts.names(),
    accounts: accounts.all().map(({ name, account, loginExpired }) => ({
      name,
      issuer: account.issuer,
      grant: account.grant,
      refresh_token_expires_at: account.refreshTokenExpiresAt ?? null,
      login_expired: loginExpired,
    })),
    // Left out where there is none: what the C agent replies, and nothing more.
    ...(tokenFiles.list().length > 0 && { token_files: tokenFiles.list() }),
  },
})

export const remove: Handler<'remove'> = async ({ account }, { accounts, tokenFiles }) => {
  if (!accounts.remove(account)) {
    throw peerError('account-not-loaded', {
      hint: 'What is loaded is listed by\n\t$ oidc-add -a',
    })
  }
  await tokenFiles.forget(account)
  return { status: 'success' }
}

export const removeAll: Handler<'remove_all'> = async (_request, { accounts, tokenFiles }) => {
  const names = accounts.names()
  accounts.removeAll()
  for (const name of names) await tokenFiles.forget(name)
  return { status: 'success' }
}

export const lockAgent: Handler<'lock'> = async ({ password }, { lock, tokenFiles }) => {
  await lock.lock(password)
  // A locked agent gives out no tokens: those in files are gone before it says so.
  await tokenFiles.settled()
  return { status: 'success', info: 'Agent locked' }
}

export const unlockAgent: Handler<'unlock'> = async ({ password }, { lock }) => {
  await lock.unlock(password)
  return { status: 'success', info: 'Agent unlocked' }
}

export const fileWrite: Handler<'file_write'> = ({ filename, data }, { scratchStore }) => {
  scratchStore.write(filename, data)
  return { status: 'success' }
}

export const fileRead: Handler<'file_read'> = ({ filename }, { scratchStore }) => {
  const data = scratchStore.read(filename)
  if (data === undefined) throw peerError('parked-file-not-found')
  return { status: 'success', data }
}

export const fileRemove: Handler<'file_remove'> = ({ filename }, { scratchStore }) => {
  scratchStore.remove(filename)
  return { status: 'success' }
}
