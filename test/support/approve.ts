import { Agent, fetch } from 'undici'

/** Where a person would go, as the device authorization response tells (RFC 8628 §3.2). */
export interface DeviceVisit {
  /** `verification_uri`, or `verification_uri_complete`. */
  readonly verificationUri: string
  /** Needed with a plain `verification_uri`. */
  readonly userCode?: string | undefined
  /** PEM bundle the browser trusts. */
  readonly caPem: string
  readonly login?: string
}

export interface Page {
  readonly url: URL
  readonly html: string
}

/** Stands for a page that is not the provider's any more. */
const LEFT = ''
/** A chain longer than this goes in circles. */
const MAX_STEPS = 20

/** Approves a device code as a person with a browser does: code, confirmation, login, consent. */
export function approveDevice(visit: DeviceVisit): Promise<void> {
  return walk(visit, (fields) => fields.delete('abort'), 'Device approved')
}

/** Says no at the page that asks for confirmation. */
export function denyDevice(visit: DeviceVisit): Promise<void> {
  return walk(
    visit,
    (fields) => {
      if (fields.has('confirm')) fields.set('abort', 'yes')
    },
    'AbortedError',
  )
}

/** Where a person is sent to log in (RFC 6749 §4.1.1). */
export interface LoginVisit {
  readonly address: string
  /** PEM bundle the browser trusts. */
  readonly caPem: string
  readonly login?: string
  /** Presses Cancel instead. */
  readonly denies?: boolean
}

/** Logs in as a person with a browser does, and gives the address that the provider sends it to. */
export async function redirectAfterLogin(visit: LoginVisit): Promise<URL> {
  const { address, caPem, login = 'alice', denies = false } = visit
  const browser = new Browser(caPem)
  try {
    let page = await browser.open(new URL(address))
    for (let step = 0; step < MAX_STEPS && page.html !== LEFT; step += 1) {
      const { action, fields } = formOf(page)
      if (fields.has('login')) fields.set('login', login)
      if (denies) fields.set('abort', 'yes')
      page = await browser.open(action, fields)
    }
    return page.url
  } finally {
    await browser.close()
  }
}

/** Logs in, and shows the page of ours that the browser comes back to. */
export async function logIn(visit: LoginVisit): Promise<Page> {
  const url = await redirectAfterLogin(visit)
  const response = await fetch(url)
  return { url, html: await response.text() }
}

async function walk(
  visit: DeviceVisit,
  decide: (fields: URLSearchParams) => void,
  goal: string,
): Promise<void> {
  const browser = new Browser(visit.caPem)
  try {
    let page = await browser.open(new URL(visit.verificationUri))
    for (let step = 0; step < MAX_STEPS && !page.html.includes(goal); step += 1) {
      const { action, fields } = formOf(page)
      if (fields.has('login')) fields.set('login', visit.login ?? 'alice')
      if (fields.get('user_code') === '') fields.set('user_code', visit.userCode ?? '')
      decide(fields)
      page = await browser.open(action, fields)
    }
    if (!page.html.includes(goal)) throw new Error(`the device pages ended at: ${page.html}`)
  } finally {
    await browser.close()
  }
}

/** The only form of a page, its target and what a press of its first button would send. */
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

/** As much of a browser as the pages need: cookies, redirects, forms. */
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
      // Back to the agent, or to another program: the providers of the tests speak TLS.
      if (target.protocol !== 'https:') return { url: target, html: LEFT }
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
