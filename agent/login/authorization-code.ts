import { createHash, randomBytes } from 'node:crypto'
import type { AgentOptions } from '../../protocol/wire/agent-options.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type { BrowserStartedReply } from '../../protocol/wire/messages.ts'
import type { ClientConfigs } from '../accounts/client-config.ts'
import type { OpenIdProvider, TokenResponse } from '../oauth/provider.ts'
import type { AuthorizationSessions, LoginReply } from './authorization-sessions.ts'
import type { Login } from './complete-login.ts'
import { type LocalRedirect, redirectUrisOf } from './redirect-server.ts'

/** A login by the authorization code flow. */
export interface BrowserLogin extends Login {
  /** Do not use a redirect URI that the agent serves. */
  readonly noWebserver: boolean
  /** Do not use a redirect URI with a custom scheme. */
  readonly noScheme: boolean
}

/** The redirect URI of a login (RFC 6749 §3.1.2). */
interface Redirect {
  readonly uri: string
  /** Undefined: the person or the desktop passes the response to `oidc-gen --codeExchange`. */
  readonly local: LocalRedirect | undefined
}

/** The parts of the agent that an authorization code login uses. */
export interface AuthorizationCodeContext {
  readonly options: AgentOptions
  readonly provider: OpenIdProvider
  readonly clientConfigs: ClientConfigs
  readonly authorizationSessions: AuthorizationSessions
  /** Completes the login with the token response of its code. */
  readonly complete: (response: TokenResponse) => Promise<LoginReply>
}

/**
 * Starts an authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636). The session waits for the
 * authorization response.
 * @throws AgentError `no-redirect-address` if no redirect URI of the account can be used
 */
export async function startAuthorizationCodeLogin(
  login: BrowserLogin,
  context: AuthorizationCodeContext,
  signal: AbortSignal,
): Promise<BrowserStartedReply> {
  const { authorizationSessions, options } = context
  const redirect = await takeRedirect(login, context)
  try {
    const state = newLoginState(redirect.uri, login.onlyAccessToken, options.socketPath ?? '')
    const uri = await startLogin(login, { redirect, state }, context, signal)
    return { status: 'accepted', uri, state }
  } catch (error) {
    if (redirect.local !== undefined) await authorizationSessions.release(redirect.local.port)
    throw error
  }
}

async function startLogin(
  login: BrowserLogin,
  { redirect, state }: { readonly redirect: Redirect; readonly state: string },
  context: AuthorizationCodeContext,
  signal: AbortSignal,
): Promise<string> {
  const { account, onlyAccessToken } = login
  const { provider, clientConfigs, authorizationSessions, complete } = context
  const key = newProofKey()
  const redirectUri = redirect.uri
  const uri = await provider.authorizationUrl(
    await clientConfigs.clientOf(account),
    {
      scope: account.authScope === '' ? undefined : account.authScope,
      audience: account.audience,
      redirectUri,
      state,
      codeChallenge: key.challenge,
      offlineAccess: !onlyAccessToken,
    },
    signal,
  )
  authorizationSessions.add(state, {
    name: { account: account.name, issuer: account.issuer },
    onlyAccessToken,
    redirect: redirect.local,
    exchange: async ({ code, issuerParameter, isPassedOn }, sessionSignal) => {
      const client = await clientConfigs.clientOf(account)
      // The C oidc-gen passes on code and state only. A missing `iss` is then no reason to refuse.
      const assumed = isPassedOn
        ? (await provider.discover(client.provider, sessionSignal)).issuer
        : undefined
      const exchange = {
        code,
        issuerParameter: issuerParameter ?? assumed,
        redirectUri,
        codeVerifier: key.verifier,
      }
      return complete(await provider.authorizationCodeGrant(client, exchange, sessionSignal))
    },
  })
  return uri
}

/**
 * The first usable redirect URI of the account: a local one whose port is free, else one that needs no
 * port.
 * @throws AgentError `no-redirect-address`
 */
async function takeRedirect(
  login: BrowserLogin,
  context: AuthorizationCodeContext,
): Promise<Redirect> {
  const { local, custom } = redirectUrisOf(login.account.redirectUris)
  const withServer = context.options.webserver && !login.noWebserver
  for (const redirect of withServer ? local : []) {
    if (await context.authorizationSessions.take(redirect.port)) {
      return { uri: redirect.uri, local: redirect }
    }
  }
  const withScheme = context.options.customUriScheme && !login.noScheme
  const [uri] = [
    ...(withScheme ? custom : []),
    // Without a web server, the browser fails to open a local address, and the person copies it.
    ...(withServer ? [] : local.map((redirect) => redirect.uri)),
  ]
  if (uri === undefined) throw noRedirect(login.account.redirectUris, local)
  return { uri, local: undefined }
}

function noRedirect(uris: readonly string[], local: readonly LocalRedirect[]): AgentError {
  const tried = local.map(({ port }) => port).join(', ')
  const why =
    tried === ''
      ? `The account has no redirect URI of the form http://localhost:<port>: ${uris.join(' ')}`
      : `Other programs use port ${tried}.`
  return peerError('no-redirect-address', {
    hint: `${why}\nGive another redirect URI of the client by --redirect-uri, or log in with -w device.`,
  })
}

/** 144 bits, 24 characters of base64url: RFC 6749 §10.10 asks for at least 128 bits. */
const RANDOM_BYTES = 18

/**
 * A new `state` (RFC 6749 §4.1.1) in the C agent's form `<s>:<a><24 random>:<len>:<sock>`
 * (protocol.md §2.5). It has the path of the socket, by which oidc-gen in another session finds this
 * agent.
 */
export function newLoginState(
  redirectUri: string,
  onlyAccessToken: boolean,
  socketPath: string,
): string {
  const slash = redirectUri.endsWith('/') ? '1' : '0'
  const kind = onlyAccessToken ? '1' : '0'
  const random = randomBytes(RANDOM_BYTES).toString('base64url')
  const path = Buffer.from(socketPath)
  return `${slash}:${kind}${random}:${path.length}:${path.toString('base64url')}`
}

/** 128 characters of base64url, the most that RFC 7636 §4.1 allows. */
const VERIFIER_BYTES = 96

/** PKCE code verifier and code challenge (RFC 7636 §4). */
export interface ProofKey {
  readonly verifier: string
  /** SHA-256 of the verifier, base64url (method S256). */
  readonly challenge: string
}

/** A new random verifier and its challenge. */
export function newProofKey(): ProofKey {
  const verifier = randomBytes(VERIFIER_BYTES).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}
