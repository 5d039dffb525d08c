import { accountOf } from '../../protocol/storage/account.ts'
import type { FileKey } from '../../protocol/storage/account-file.ts'
import { peerError } from '../../protocol/wire/errors.ts'
import type { AccountInfoReply, AddRequest, FileKeyMessage } from '../../protocol/wire/messages.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import type { AgentContext, Handler } from '../context.ts'
import { defaultRequest } from '../tokens/requested-token.ts'

/** Loads an account and, unless told not to, tests it with a refresh. */
export const add: Handler<'add'> = async (request, context, signal) => {
  const account = accountOf(request.config)
  const present = context.keyring.get(account.name)
  if (present !== undefined && !present.loginExpired) return updateLoaded(present, request, context)

  const loaded = new LoadedAccount(account, {
    fileKey: fileKeyOf(request.file_key),
    passwordEntry: request.pw_entry,
    confirm: request.confirm,
    alwaysAllowIdToken: request.always_allow_id_token,
  })
  const provider = await context.clientConfigs.providerOf(account)
  const metadata = await context.provider.discover(provider, signal)
  loaded.publishedIssuer = metadata.issuer
  if (request.plain_add !== true)
    await context.tokens.accessToken(loaded, defaultRequest, -1, signal)
  // Locked while the provider was asked: nothing comes into a locked agent.
  context.lock.checkOpen()
  context.keyring.add(loaded, request.lifetime ?? context.options.lifetime)
  context.log.debug(`loaded ${account.name}`)
  return { status: 'success', info: lifetimeInfo(request.lifetime, context) }
}

/** What an account that is loaded takes from being added again: lifetime, file key, password, flags. */
async function updateLoaded(
  present: LoadedAccount,
  request: AddRequest,
  context: AgentContext,
): Promise<{ status: 'success'; info: string }> {
  const fileKey = fileKeyOf(request.file_key)
  if (fileKey !== undefined) present.fileKey = fileKey
  if (request.pw_entry !== undefined) present.passwordEntry = request.pw_entry
  if (request.confirm !== undefined) present.confirm = request.confirm
  if (request.always_allow_id_token !== undefined) {
    present.alwaysAllowIdToken = request.always_allow_id_token
  }
  // With the key that was missing, a rotated token can be saved now; and between a login and its
  // first save by oidc-gen the token may have rotated in memory.
  if (fileKey !== undefined && isNewerInMemory(present, request)) await context.writer.save(present)
  if (request.lifetime === undefined) return { status: 'success', info: 'account already loaded.' }
  context.keyring.setLifetime(present.name, request.lifetime)
  const info = lifetimeInfo(request.lifetime, context)
  return { status: 'success', info: ['account already loaded.', info].filter(Boolean).join(' ') }
}

function isNewerInMemory(present: LoadedAccount, request: AddRequest): boolean {
  if (present.saved.state === 'unsaved') return true
  const { refreshToken } = present.account
  return refreshToken !== undefined && request.config['refresh_token'] !== refreshToken.reveal()
}

function lifetimeInfo(asked: number | undefined, context: AgentContext): string | undefined {
  const lifetime = asked ?? context.options.lifetime
  return lifetime > 0 ? `Lifetime set to ${lifetime} seconds` : undefined
}

function fileKeyOf(message: FileKeyMessage | undefined): FileKey | undefined {
  if (message === undefined) return undefined
  return { salt: Buffer.from(message.salt, 'base64'), bytes: Buffer.from(message.key, 'base64') }
}

export const loadedAccounts: Handler<'loaded_accounts'> = (_request, { keyring }) => ({
  status: 'success',
  info: keyring.names(),
})

/** The issuers of all issuer files, most accounts first; which accounts are loaded now. */
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

export const remove: Handler<'remove'> = async ({ account }, { keyring, tokenFiles }) => {
  if (!keyring.remove(account)) {
    throw peerError('account-not-loaded', {
      hint: 'What is loaded is listed by\n\t$ oidc-add -a',
    })
  }
  await tokenFiles.forget(account)
  return { status: 'success' }
}

export const removeAll: Handler<'remove_all'> = async (_request, { keyring, tokenFiles }) => {
  const names = keyring.names()
  keyring.removeAll()
  for (const name of names) await tokenFiles.forget(name)
  return { status: 'success' }
}
