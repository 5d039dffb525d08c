import { newGrant } from '../grant.ts'
import { type Endpoint, issuerOf, type Provider, secondsNow } from '../provider.ts'
import type { ReceivedRequest } from '../requests.ts'
import { type HttpResponse, html, OAuthError } from '../response.ts'
import { type KnownClient, randomToken } from '../store.ts'
import { decisionForm, decisionIn } from './device.ts'

/** The parameters of the redirect (RFC 6749 §4.1.2). */
type Outcome = Readonly<Record<string, string>>

/**
 * The authorization endpoint (RFC 6749 §4.1.1). It redirects at once if the scenario says that the
 * person approves or denies, and shows a page with two buttons otherwise.
 */
export const authorization: Endpoint = (provider, request) => {
  const { query } = request
  const client = provider.store.clients.get(query.get('client_id') ?? '')
  const redirectUri = query.get('redirect_uri') ?? ''
  // RFC 6749 §4.1.2.1: no redirect to an address that is not registered.
  if (client === undefined) return html(400, 'Unknown client')
  if (!isRegistered(provider, client, redirectUri)) return html(400, 'Unknown redirect_uri')
  const decision = decisionIn(request) ?? decisionOf(provider)
  if (decision === undefined) {
    return html(200, 'Authorize', decisionForm(`${request.path}?${query.toString()}`))
  }
  return redirect(provider, query, outcomeOf(provider, client, request, decision))
}

function decisionOf({ settings }: Provider): 'approved' | 'denied' | undefined {
  if (settings.person === 'absent') return undefined
  return settings.person === 'approves' ? 'approved' : 'denied'
}

function outcomeOf(
  provider: Provider,
  client: KnownClient,
  { query }: ReceivedRequest,
  decision: 'approved' | 'denied',
): Outcome {
  const complaint = complaintAbout(provider, query)
  if (complaint !== undefined) return { error: 'invalid_request', error_description: complaint }
  if (decision === 'denied')
    return { error: 'access_denied', error_description: 'the person said no' }
  try {
    return { code: newCode(provider, client, query) }
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    return errorMembers(error.response)
  }
}

function complaintAbout({ settings }: Provider, query: URLSearchParams): string | undefined {
  if (query.get('response_type') !== 'code') return 'response_type must be code'
  const method = query.get('code_challenge_method') ?? 'plain'
  if (!query.has('code_challenge'))
    return settings.pkceRequired ? 'code_challenge is missing' : undefined
  return settings.pkceMethods.includes(method)
    ? undefined
    : `no such code_challenge_method: ${method}`
}

function newCode(provider: Provider, client: KnownClient, query: URLSearchParams): string {
  const { store, settings } = provider
  const code = randomToken()
  store.codes.set(code, {
    code,
    grant: newGrant(provider, client, query, {
      subject: settings.subject,
      offline: query.get('access_type') === 'offline',
    }),
    redirectUri: query.get('redirect_uri') ?? '',
    challenge: query.get('code_challenge') ?? undefined,
    challengeMethod: query.get('code_challenge_method') ?? 'plain',
    used: false,
    expiresAt: secondsNow(provider) + settings.codeSeconds,
  })
  return code
}

function redirect(provider: Provider, query: URLSearchParams, outcome: Outcome): HttpResponse {
  const { settings } = provider
  const target = new URL(query.get('redirect_uri') ?? '')
  const members = new URLSearchParams(outcome)
  const state = query.get('state')
  if (state !== null && settings.stateInAuthorizationResponse !== 'absent') {
    members.set('state', settings.stateInAuthorizationResponse === 'same' ? state : randomToken())
  }
  // RFC 9207 §2.
  if (settings.issInAuthorizationResponse === 'right') members.set('iss', issuerOf(provider))
  if (settings.issInAuthorizationResponse === 'wrong') members.set('iss', 'https://other.example')
  for (const [name, value] of members) target.searchParams.set(name, value)
  return { status: 302, headers: { location: target.href }, body: undefined }
}

function errorMembers({ body }: HttpResponse): Outcome {
  const members = typeof body === 'object' ? Object.entries(body) : []
  return Object.fromEntries(members.map(([name, value]) => [name, String(value)]))
}

function isRegistered({ settings }: Provider, client: KnownClient, redirectUri: string): boolean {
  if (!URL.canParse(redirectUri)) return false
  if (client.redirectUris.includes(redirectUri)) return true
  if (settings.redirectUris === 'exact') return false
  const wanted = portless(redirectUri)
  return wanted !== undefined && client.redirectUris.some((one) => portless(one) === wanted)
}

/** RFC 8252 §7.3: a loopback address without its port. */
function portless(text: string): string | undefined {
  const url = new URL(text)
  if (!['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)) return undefined
  url.port = ''
  return url.href
}
