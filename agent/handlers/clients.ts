import {
  accountOf,
  type ProviderConfig,
  sameIssuer,
  words,
} from '../../protocol/storage/account.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type { RequestOf } from '../../protocol/wire/messages.ts'
import { Secret, secretOf } from '../../protocol/wire/secret.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import type { AgentContext, Handler } from '../context.ts'
import { newClientUris } from '../login/redirect-server.ts'

/** Registers a client for an account that is to be made. */
export const register: Handler<'register'> = async (request, context, signal) => {
  const account = accountOf(request.config)
  if (context.keyring.get(account.name) !== undefined) {
    throw new AgentError(
      'bad-request',
      'An account with this shortname is already loaded. I will not register a new one.',
      { hint: `Remove it first:\n\t$ oidc-add -r ${shellQuote(account.name)}` },
    )
  }
  const provider = await context.clientConfigs.providerOf(account)
  const { scopesSupported } = await context.provider.discover(provider, signal)
  const clientName = account.fields.reveal()['client_name']
  const client = await context.provider.register(
    provider,
    {
      clientName: typeof clientName === 'string' && clientName !== '' ? clientName : account.name,
      scope: account.authScope,
      flows: request.flow,
      redirectUris: account.redirectUris.length === 0 ? newClientUris() : account.redirectUris,
      initialAccessToken: secretOf(request.authorization),
    },
    signal,
  )
  return { status: 'success', client, max_scopes: scopesSupported.join(' ') }
}

/** Deletes a registered client at its provider. */
export const deleteClient: Handler<'delete_client'> = async (request, context, signal) => {
  const { registration_client_uri: uri, registration_access_token: token } = request
  if (uri === undefined || token === undefined) {
    throw new AgentError('bad-request', 'Could not delete client: its registration is not known')
  }
  try {
    await context.provider.deleteClient(
      {
        registrationClientUri: uri,
        registrationAccessToken: new Secret(token),
        certPath: request.cert_path,
      },
      signal,
    )
  } catch (error) {
    throw because('Could not delete client', error)
  }
  return { status: 'success' }
}

/** Revokes an account's refresh token and unloads it. */
export const deleteAccount: Handler<'delete'> = async (request, context, signal) => {
  const offered = accountOf(request.config)
  const loaded = context.keyring.get(offered.name)
  // Memory may have a newer refresh token than the client read from the file.
  const isNewest = loaded?.newest({ offered: offered.refreshToken }) === 'memory'
  const account = loaded !== undefined && isNewest ? loaded.account : offered
  if (account.refreshToken !== undefined) {
    try {
      const client = await context.clientConfigs.clientOf(account)
      await context.provider.revokeToken(client, account.refreshToken, signal)
    } catch (error) {
      throw because('Could not revoke token', error)
    }
  }
  context.keyring.remove(account.name)
  await context.tokenFiles.forget(account.name)
  return { status: 'success' }
}

/** The scopes a provider says it supports. */
export const scopes: Handler<'scopes'> = async (request, context, signal) => {
  const { issuer, config_endpoint: configEndpoint, cert_path: certPath } = request
  const location = { issuer: issuer ?? '', configEndpoint, certPath }
  const provider = await context.clientConfigs.providerOf(location)
  const metadata = await context.provider.discover(provider, signal)
  const info = words(metadata.scopesSupported.join(' ')).join(' ')
  return { status: 'success', info, family: metadata.profile }
}

function because(what: string, error: unknown): unknown {
  if (!(error instanceof AgentError)) return error
  return new AgentError(error.code, `${what}: ${error.message}`, { hint: error.hint, cause: error })
}

/** The keys of an issuer, fetched with the trust a loaded account or an issuer file has in it. */
export const jwks: Handler<'jwks'> = async (request, context, signal) => {
  const address = await addressOf(request, context)
  return { status: 'success', jwks: await context.provider.jwks(address, signal) }
}

async function addressOf(
  request: RequestOf<'jwks'>,
  context: AgentContext,
): Promise<ProviderConfig> {
  const known = await knownAddress(request.issuer, context)
  return { ...known, certPath: request.cert_path ?? known.certPath }
}

async function knownAddress(
  issuer: string,
  { keyring, knownIssuers, clientConfigs }: AgentContext,
): Promise<ProviderConfig> {
  const [loaded] = keyring.ofIssuer(issuer)
  if (loaded !== undefined) return clientConfigs.providerOf(loaded.account)
  const known = (await knownIssuers()).find((entry) => sameIssuer(entry.issuer, issuer))
  const { configEndpoint, certPath } = known ?? {}
  return clientConfigs.providerOf({ issuer, configEndpoint, certPath })
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
