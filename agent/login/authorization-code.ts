import { createHash, randomBytes } from 'node:crypto'
import type { AgentOptions } from '../../protocol/wire/agent-options.ts'
import { AgentError, peerError } from '../../protocol/wire/errors.ts'
import type { BrowserStartedReply } from '../../protocol/wire/messages.ts'
import type { ClientConfigs } from '../accounts/client-config.ts'
import type { OpenIdProvider, TokenResponse } from '../oauth/provider.ts'
import type { AuthorizationSessions, LoginReply } from './authorization-sessions.ts'
import type { Login } from './complete-login.ts'
import { type LocalRedirect, redirectUrisOf } from './redirect-server.ts'

/** A login that may go through a browser on this machine. */
export interface BrowserLogin extends Login {
  /** No web server of ours. */
  readonly noWebserver: boolean
  /** No redirect to another program by its URI scheme. */
  readonly noScheme: boolean
}

/** Where the browser is to come back. */
interface Redirect {
  readonly uri: string
  /** Undefined: the person, or the desktop, passes it to `oidc-gen --codeExchange`. */
  readonly local: LocalRedirect | undefined
}

/** The parts of the agent that an authorization code login takes. */
export interface AuthorizationCodeContext {
  readonly options: AgentOptions
  readonly provider: OpenIdProvider
  readonly clientConfigs: ClientConfigs
  readonly authorizationSessions: AuthorizationSessions
  /** Ends the login with the tokens of its code. */
  readonly complete: (response: TokenResponse) => Promise<LoginReply>
}

/** Starts an authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636) and waits for its redirect. */
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
    exchange: async (answer, ending) => {
      const { code, isPassedOn } = answer
      const client = await clientConfigs.clientOf(account)
      // The C oidc-gen passes on code and state only: what it left out is not held against the login.
      const leftOut = isPassedOn
        ? (await provider.discover(client.provider, ending)).issuer
        : undefined
      const issuerParameter = answer.issuerParameter ?? leftOut
      const exchange = { code, issuerParameter, redirectUri, codeVerifier: key.verifier }
      return complete(await provider.authorizationCodeGrant(client, exchange, ending))
    },
  })
  return uri
}

/**
 * The first redirect URI that can be waited for: a local one whose port is free, else one that needs
 * no port.
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
    // With no web server wanted, the person copies a local address that leads nowhere.
    ...(withServer ? [] : local.map((redirect) => redirect.uri)),
  ]
  if (uri === undefined) throw noRedirect(login.account.redirectUris, local)
  return { uri, local: undefined }
}

function noRedirect(uris: readonly string[], local: readonly LocalRedirect[]): AgentError {
  const tried = local.map(({ port }) => port).join(', ')
  const why =
    tried === ''
      ? `None of them is of the form http://localhost:<port>: ${uris.join(' ')}`
      : `Other programs use port ${tried}.`
  return peerError('no-redirect-address', {
    hint: `${why}\nName another one that the client is registered with by --redirect-uri, or log in with -w device.`,
  })
}

/** 144 bits, 24 characters of base64url: nobody guesses a login's state. */
const RANDOM_BYTES = 18

/**
 * A new `state` (RFC 6749 §4.1.1) in the C agent's form `<s>:<a><24 random>:<len>:<sock>`
 * (protocol.md §2.5): by the socket's path in it, a redirect helper in another session finds this
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

/** What proves that who exchanges the code is who asked for it (RFC 7636). */
export interface ProofKey {
  readonly verifier: string
  /** The verifier's SHA-256, base64url (method S256). */
  readonly challenge: string
}

export function newProofKey(): ProofKey {
  const verifier = randomBytes(VERIFIER_BYTES).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}
