import { Agent, fetch } from 'undici'

/** The pages that a person opens to approve a device code (RFC 8628 §3.2, §3.3). */
interface DeviceApproval {
  /** `verification_uri`, or `verification_uri_complete`. */
  readonly verificationUri: string
  /** Required with a plain `verification_uri`. */
  readonly userCode?: string | undefined
  /** The PEM bundle that the browser trusts. */
  readonly caPem: string
  readonly login?: string
}

export interface Page {
  readonly url: URL
  readonly html: string
}

/** The content of a page outside the provider. */
const OUTSIDE = ''
/** A longer chain of redirects or pages is a loop. */
const MAX_STEPS = 20

/** Approves a device code as a person in a browser does: code, confirmation, login, consent. */
export function approveDevice(approval: DeviceApproval): Promise<void> {
  return walk(approval, (fields) => fields.delete('abort'), 'Device approved')
}

/** Denies a device code at the page that asks for confirmation. */
export function denyDevice(approval: DeviceApproval): Promise<void> {
  return walk(
    approval,
    (fields) => {
      if (fields.has('confirm')) fields.set('abort', 'yes')
    },
    'AbortedError',
  )
}

/** A login in a browser (RFC 6749 §4.1.1). */
interface BrowserLogin {
  /** The authorization URL. */
  readonly address: string
  /** The PEM bundle that the browser trusts. */
  readonly caPem: string
  readonly login?: string
  /** True: presses Cancel. */
  readonly denies?: boolean
}

/** Logs in as a person in a browser does. Returns the address of the provider's redirect. */
export async function redirectAfterLogin(browserLogin: BrowserLogin): Promise<URL> {
  const { address, caPem, login: user = 'alice', denies = false } = browserLogin
  const browser = new Browser(caPem)
  try {
    let page = await browser.open(new URL(address))
    for (let step = 0; step < MAX_STEPS && page.html !== OUTSIDE; step += 1) {
      const { action, fields } = formOf(page)
      if (fields.has('login')) fields.set('login', user)
      if (denies) fields.set('abort', 'yes')
      page = await browser.open(action, fields)
    }
    return page.url
  } finally {
    await browser.close()
  }
}

/** Logs in and follows the redirect. Returns our result page. */
export async function logIn(browserLogin: BrowserLogin): Promise<Page> {
  const url = await redirectAfterLogin(browserLogin)
  const response = await fetch(url)
  return { url, html: await response.text() }
}

async function walk(
  approval: DeviceApproval,
  decide: (fields: URLSearchParams) => void,
  goal: string,
): Promise<void> {
  const browser = new Browser(approval.caPem)
  try {
    let page = await browser.open(new URL(approval.verificationUri))
    for (let step = 0; step < MAX_STEPS && !page.html.includes(goal); step += 1) {
      const { action, fields } = formOf(page)
      if (fields.has('login')) fields.set('login', approval.login ?? 'alice')
      if (fields.get('user_code') === '') fields.set('user_code', approval.userCode ?? '')
      decide(fields)
      page = await browser.open(action, fields)
    }
    if (!page.html.includes(goal)) throw new Error(`the device pages ended at: ${page.html}`)
  } finally {
    await browser.close()
  }
}

/** The only form of a page: its target, and the parameters that its first button sends. */
function formOf(page: Page): { action: URL; fields: URLSearchParams } {
  const action = /<form[^>]* action="([^"]*)"/.exec(page.html)?.[1]
  if (action === undefined) throw new Error(`no form on ${page.url.href}: ${page.html}`)
  const fields = new URLSearchParams()
  for (const [tag] of page.html.matchAll(/<input[^>]*>/g)) {
    fields.set(attribute(tag, 'name'), attribute(tag, 'value'))
  }
  return { action: new URL(action, page.url), fields }
}

function attribute(tag: string, name: string): string {
  return new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? ''
}

/** The parts of a browser that the pages need: cookies, redirects, forms. */
class Browser {
  readonly #cookies = new Map<string, string>()
  readonly #agent: Agent

  constructor(caPem: string) {
    this.#agent = new Agent({ connect: { ca: caPem } })
  }

  async open(url: URL, form?: URLSearchParams): Promise<Page> {
    let target = url
    let body = form
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const response = await fetch(target, {
        dispatcher: this.#agent,
        method: body === undefined ? 'GET' : 'POST',
        redirect: 'manual',
        headers: { accept: 'text/html', cookie: [...this.#cookies.values()].join('; ') },
        ...(body === undefined ? {} : { body }),
      })
      this.#keep(response.headers.getSetCookie())
      const html = await response.text()
      const location = response.headers.get('location')
      if (location === null) return { url: target, html }
      target = new URL(location, target)
      // The redirect to the agent or another program: only the providers of the tests use TLS.
      if (target.protocol !== 'https:') return { url: target, html: OUTSIDE }
      body = undefined
    }
    throw new Error(`too many redirects from ${url.href}`)
  }

  close(): Promise<void> {
    return this.#agent.close()
  }

  #keep(setCookies: readonly string[]): void {
    for (const text of setCookies) {
      const pair = text.split(';')[0] ?? ''
      this.#cookies.set(pair.slice(0, pair.indexOf('=')), pair)
    }
  }
}
