import type { Account } from '../../protocol/account.ts'
import { accountOf } from '../../protocol/account.ts'
import { AgentError } from '../../protocol/errors.ts'
import type {
  AccessTokenReply,
  ConfigReply,
  JsonValue,
  PasswordEntry,
} from '../../protocol/messages.ts'
import { LoadedAccount } from '../accounts/loaded-account.ts'
import type { TokenResponse } from '../oidc/provider.ts'
import type { Services } from '../services.ts'
import { plainWish } from '../tokens/wish.ts'
import { tokenReply } from './tokens.ts'

/** An account that is being given its first token. */
export interface Login {
  readonly account: Account
  readonly passwordEntry: PasswordEntry | undefined
  readonly onlyAccessToken: boolean
}

/**
 * Ends a login, by whatever flow it came: the account with its new refresh token is loaded and given
 * back to be saved, or, where only an access token was wanted, that and nothing else.
 * @throws AgentError `provider-answer` where the refresh token is missing
 */
export async function finishLogin(
  login: Login,
  response: TokenResponse,
  services: Services,
): Promise<ConfigReply | AccessTokenReply> {
  if (response.refreshToken === undefined && !login.onlyAccessToken) {
    throw new AgentError('provider-answer', 'OIDP response does not contain a refresh token', {
      hint: 'Ask for the scope offline_access, and check that the client may use refresh tokens.',
    })
  }
  const account = accountOf(loggedInFields(login.account, response))
  const loaded = new LoadedAccount(account, { passwordEntry: login.passwordEntry })
  const token = await services.tokens.keep(loaded, plainWish, response)
  if (login.onlyAccessToken) return tokenReply(token)
  services.accounts.add(loaded, services.options.lifetime)
  services.log.debug(`logged in ${account.name}`)
  return { status: 'success', config: account.fields, info: token.info }
}

function loggedInFields(account: Account, response: TokenResponse): Record<string, JsonValue> {
  const fields: Record<string, JsonValue> = { ...account.fields, username: '', password: '' }
  if (response.refreshToken !== undefined) fields['refresh_token'] = response.refreshToken.reveal()
  if (response.scope !== undefined && response.scope !== account.authScope) {
    fields['refresh_scope'] = response.scope
  }
  return fields
}
