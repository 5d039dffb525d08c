import { accountOf } from '../../protocol/account.ts'
import type { FileKey } from '../../protocol/file-key.ts'
import type { AddRequest, FileKeyMessage } from '../../protocol/messages.ts'
import { providerOf } from '../accounts/client-of.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import type { AgentContext, Handler } from '../services.ts'
import { defaultRequest } from '../tokens/wish.ts'

/** Loads an account and, unless told not to, tests it with a refresh. */
export const add: Handler<'add'> = async (request, context, signal) => {
  const account = accountOf(request.config)
  const present = context.accounts.get(account.name)
  if (present !== undefined && !present.loginExpired) return updateLoaded(present, request, context)

  const loaded = new LoadedAccount(account, {
    fileKey: fileKeyOf(request.file_key),
    passwordEntry: request.pw_entry,
    confirm: request.confirm,
    alwaysAllowIdToken: request.always_allow_id_token,
  })
  const metadata = await context.provider.discover(providerOf(account), signal)
  loaded.publishedIssuer = metadata.issuer
  if (request.plain_add !== true)
    await context.tokens.accessToken(loaded, defaultRequest, -1, signal)
  // Locked while the provider was asked: nothing comes into a locked agent.
  context.lock.checkOpen()
  context.accounts.add(loaded, request.lifetime ?? context.options.lifetime)
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
  context.accounts.setLifetime(present.name, request.lifetime)
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
