import { type Account, accountOf } from '../../protocol/storage/account.ts'
import { peerError } from '../../protocol/wire/errors.ts'
import type { AccountInfoReply, AddRequest, Replies } from '../../protocol/wire/messages.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import { LoadedAccount, type LoadOptions } from '../accounts/loaded-account.ts'
import type { AgentContext, Handler } from '../context.ts'
import { defaultRequest } from '../tokens/granted-scope.ts'

/**
 * Loads an account. If it is loaded already, a newer login takes its place; with the same login, only
 * what the request names is changed.
 */
export const add: Handler<'add'> = (request, context, signal) => {
  const offered = accountOf(request.config)
  // One at a time: two refreshes that test one refresh token at once lose the login if it rotates.
  return context.keyring.loading.run(offered.name, async () => {
    const options = loadOptions(request)
    const present = context.keyring.get(offered.name)
    if (present === undefined) {
      return load(new LoadedAccount(offered, options), request, context, signal)
    }
    const newer = await newerLogin(present, offered, request, context)
    if (newer === undefined) return updateLoaded(present, offered, request, context)
    return load(present.successor(newer, options), request, context, signal)
  })
}

/** Loads an account that was, unless the request says not to, tested with a refresh. */
async function load(
  loaded: LoadedAccount,
  request: AddRequest,
  { provider, clientConfigs, tokens, lock, keyring, options, log }: AgentContext,
  signal: AbortSignal,
): Promise<Replies['add']> {
  try {
    const config = await clientConfigs.providerOf(loaded.account)
    const metadata = await provider.discover(config, signal)
    loaded.issuerPublished(metadata.issuer)
    if (request.plain_add !== true) await tokens.accessToken(loaded, defaultRequest, -1, signal)
    // Locked while the provider was asked: nothing comes into a locked agent.
    lock.checkOpen()
  } catch (error) {
    loaded.dispose()
    throw error
  }
  const left = keyring.lifetimeLeft(loaded.name)
  keyring.add(loaded, request.lifetime ?? left ?? options.lifetime)
  log.debug(`loaded ${loaded.name}`)
  return {
    status: 'success',
    info: lifetimeInfo(request.lifetime ?? (left === undefined ? options.lifetime : 0)),
  }
}

/** The account with a newer login than the loaded one has, if its file or the request has such. */
async function newerLogin(
  present: LoadedAccount,
  offered: Account,
  request: AddRequest,
  { writer }: AgentContext,
): Promise<Account | undefined> {
  const { refreshToken } = offered
  const isSure = !present.loginExpired && present.newest({ offered: refreshToken }) === 'memory'
  if (isSure) return undefined
  const inFile = await writer.read(present.successor(offered, loadOptions(request)))
  switch (present.newest({ file: inFile?.refreshToken, offered: refreshToken })) {
    case 'file':
      return inFile
    case 'offered':
      return offered
    case 'memory':
      // A login that has ended is tested once more, for the provider to say why.
      return present.loginExpired && request.plain_add !== true ? offered : undefined
  }
}

/** Changes lifetime, file key, password and flags of an account that is loaded, as far as they are named. */
async function updateLoaded(
  present: LoadedAccount,
  offered: Account,
  request: AddRequest,
  { writer, keyring }: AgentContext,
): Promise<Replies['add']> {
  const options = loadOptions(request)
  present.addedAgain(offered, options)
  const { refreshToken } = offered
  const isInFile = refreshToken === undefined || present.holds(refreshToken)
  // With the key that was missing, a new refresh token can be saved now; and between a login and its
  // first save by oidc-gen the refresh token may have rotated.
  if (options.fileKey !== undefined && (present.needsSaving || !isInFile)) {
    await writer.save(present)
  }
  if (request.lifetime !== undefined) keyring.setLifetime(present.name, request.lifetime)
  const info = ['account already loaded.', lifetimeInfo(request.lifetime ?? 0)]
  return { status: 'success', info: info.filter(Boolean).join(' ') }
}

function lifetimeInfo(seconds: number): string | undefined {
  return seconds > 0 ? `Lifetime set to ${seconds} seconds` : undefined
}

function loadOptions(request: AddRequest): LoadOptions {
  const { file_key: key, pw_entry: entry, confirm, always_allow_id_token } = request
  return {
    fileKey:
      key &&
      new Secret({ salt: Buffer.from(key.salt, 'base64'), bytes: Buffer.from(key.key, 'base64') }),
    passwordEntry: entry && new Secret(entry),
    confirm,
    alwaysAllowIdToken: always_allow_id_token,
  }
}

export const loadedAccounts: Handler<'loaded_accounts'> = (_request, { keyring }) => ({
  status: 'success',
  info: keyring.names(),
})

/** The issuers of all issuer files, most accounts first, with the accounts that are loaded now. */
export const accountInfo: Handler<'account_info'> = async (_request, { keyring, knownIssuers }) => {
  const issuers = [...(await knownIssuers())].sort((a, b) => b.accounts.length - a.accounts.length)
  const info: Record<string, AccountInfoReply['info'][string]> = {}
  for (const { issuer, accounts: names, publicClient } of issuers) {
    const pubclient = publicClient !== undefined
    const loaded = names.map((name) => [name, keyring.get(name) !== undefined] as const)
    info[issuer] =
      names.length === 0 ? { pubclient } : { pubclient, accounts: Object.fromEntries(loaded) }
  }
  return { status: 'success', info }
}

export const remove: Handler<'remove'> = async ({ account }, { keyring, tokenFiles, writer }) => {
  const loaded = keyring.get(account)
  // The last chance of a refresh token that could not be saved yet.
  if (loaded?.needsSaving === true) await writer.save(loaded)
  if (!keyring.remove(account)) {
    throw peerError('account-not-loaded', {
      hint: 'To list the loaded accounts:\n\t$ oidc-add -a',
    })
  }
  await tokenFiles.forget(account)
  return { status: 'success' }
}

export const removeAll: Handler<'remove_all'> = async (_request, context) => {
  const { keyring, tokenFiles, writer } = context
  const unsaved = keyring.all().filter((loaded) => loaded.needsSaving)
  await Promise.all(unsaved.map((loaded) => writer.save(loaded)))
  const names = keyring.names()
  keyring.removeAll()
  for (const name of names) await tokenFiles.forget(name)
  return { status: 'success' }
}
