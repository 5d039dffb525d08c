import { type Account, accountOf } from '../../protocol/storage/account.ts'
import { fieldsOfNewLogin } from '../../protocol/storage/refresh-token-members.ts'
import type { AgentOptions } from '../../protocol/wire/agent-options.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type {
  AccessTokenReply,
  ConfigReply,
  JsonObject,
  JsonValue,
  PasswordEntry,
  UnixSeconds,
} from '../../protocol/wire/messages.ts'
import type { Secret } from '../../protocol/wire/secret.ts'
import type { ClientConfigs } from '../accounts/client-config.ts'
import type { Keyring } from '../accounts/keyring.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import type { Lock } from '../accounts/lock.ts'
import type { Runtime } from '../concurrency.ts'
import type { Log } from '../log.ts'
import type { OpenIdProvider, TokenResponse } from '../oauth/provider.ts'
import { compareLoginGrant, defaultRequest, joinedLines } from '../tokens/granted-scope.ts'
import { type TokenService, tokenReply } from '../tokens/token-service.ts'

/** The discovery document was read for the login a moment ago: it comes from memory. */
const METADATA_DEADLINE_MS = 5_000

/** The parts of the agent that the end of a login takes. */
export interface LoginContext {
  readonly options: AgentOptions
  readonly runtime: Runtime
  readonly log: Log
  readonly provider: OpenIdProvider
  readonly clientConfigs: ClientConfigs
  readonly keyring: Keyring
  readonly tokens: TokenService
  readonly lock: Lock
}

/** An account that is to get its first token. */
export interface Login {
  readonly account: Account
  readonly passwordEntry: Secret<PasswordEntry> | undefined
  readonly onlyAccessToken: boolean
}

/**
 * Ends a login of any flow: loads the account with its new refresh token and returns it to be saved. If
 * only an access token was requested, returns that and loads nothing.
 * @throws AgentError `provider-answer` if the refresh token is missing
 */
export async function completeLogin(
  login: Login,
  response: TokenResponse,
  context: LoginContext,
): Promise<ConfigReply | AccessTokenReply> {
  const needsRefreshToken = login.account.grant === 'refresh_token' && !login.onlyAccessToken
  if (response.refreshToken === undefined && needsRefreshToken) {
    throw new AgentError('provider-answer', 'OIDP response does not contain a refresh token', {
      hint: 'Ask for the scope offline_access, and check that the client may use refresh tokens.',
    })
  }
  const account = accountOf(await loggedInFields(login.account, response, context))
  const loaded = LoadedAccount.ofLogin(account, { passwordEntry: login.passwordEntry })
  const token = await context.tokens.keep(loaded, defaultRequest, response)
  const differences = compareLoginGrant(login.account, response)
  // If the agent was locked in between, the user can still save the login, but it is not loaded.
  if (login.onlyAccessToken || context.lock.isLocked) loaded.dispose()
  else context.keyring.add(loaded, context.options.lifetime)
  if (login.onlyAccessToken) return tokenReply({ ...token, differences }, loaded)
  context.log.debug(`logged in ${account.name}`)
  return {
    status: 'success',
    config: account.fields.reveal(),
    info: joinedLines(differences, token.notes),
  }
}

async function loggedInFields(
  account: Account,
  response: TokenResponse,
  context: LoginContext,
): Promise<JsonObject> {
  const fields: Record<string, JsonValue> = {
    ...fieldsOfNewLogin(account),
    username: '',
    password: '',
  }
  if (response.scope !== undefined && response.scope !== account.authScope) {
    fields['refresh_scope'] = response.scope
  }
  if (response.refreshToken === undefined) return fields
  const now = Math.floor(context.runtime.now() / 1000)
  const expiresAt = response.refreshTokenExpiresAt ?? (await usualEnd(account, context, now))
  return {
    ...fields,
    refresh_token: response.refreshToken.reveal(),
    // The end of the new login, known or not, replaces that of the old one.
    refresh_token_expires_at: expiresAt ?? 0,
  }
}

/** When a refresh token issued now usually expires at this provider; undefined if that is not known. */
async function usualEnd(
  account: Account,
  { provider, clientConfigs }: LoginContext,
  now: UnixSeconds,
): Promise<UnixSeconds | undefined> {
  const deadline = AbortSignal.timeout(METADATA_DEADLINE_MS)
  const config = await clientConfigs.providerOf(account)
  const { refreshTokenSeconds } = await provider.discover(config, deadline)
  return refreshTokenSeconds === undefined ? undefined : now + refreshTokenSeconds
}
