import type { IncomingMessage, ServerResponse } from 'node:http'
import type { InteractionResults, Provider } from 'oidc-provider'

/** A plain page of the provider. `approve.ts` reads its forms. */
export function page(title: string, body: string): string {
  return `<!doctype html><html><head><title>${title}</title></head><body><h1>${title}</h1>${body}</body></html>`
}

const CANCEL = '<button type="submit" name="abort" value="yes">Cancel</button>'

/** Handles `/interaction/<uid>`: shows the login or consent form, or processes the entered form. */
export async function answerInteraction(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
): Promise<void> {
  const { uid, prompt } = await provider.interactionDetails(request, response)
  if (request.method !== 'POST') {
    const form = prompt.name === 'login' ? loginForm(uid) : consentForm(uid)
    response.writeHead(200, { 'content-type': 'text/html' }).end(form)
    return
  }
  const entered = new URLSearchParams(body)
  const result = entered.has('abort')
    ? { error: 'access_denied', error_description: 'the person said no' }
    : await resultOf(provider, request, response, entered)
  await provider.interactionFinished(request, response, result, {
    mergeWithLastSubmission: !entered.has('abort'),
  })
}

async function resultOf(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  entered: URLSearchParams,
): Promise<InteractionResults> {
  const details = await provider.interactionDetails(request, response)
  if (details.prompt.name === 'login') {
    return { login: { accountId: entered.get('login') ?? 'nobody' } }
  }
  const grant = new provider.Grant({
    accountId: details.session?.accountId ?? 'nobody',
    clientId: String(details.params['client_id']),
  })
  const missing = details.prompt.details as Missing
  grant.addOIDCScope((missing.missingOIDCScope ?? []).join(' '))
  for (const [resource, scopes] of Object.entries(missing.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '))
  }
  return { consent: { grantId: await grant.save() } }
}

/** The details of oidc-provider's consent prompt: what is not granted yet. */
interface Missing {
  readonly missingOIDCScope?: readonly string[]
  readonly missingResourceScopes?: Readonly<Record<string, readonly string[]>>
}

function loginForm(uid: string): string {
  return page(
    'Sign in',
    `<form method="post" action="/interaction/${uid}"><input type="text" name="login" value=""/>` +
      `<input type="password" name="password" value=""/><button type="submit">Sign in</button>${CANCEL}</form>`,
  )
}

function consentForm(uid: string): string {
  return page(
    'Authorize',
    `<form method="post" action="/interaction/${uid}"><button type="submit">Allow</button>${CANCEL}</form>`,
  )
}
