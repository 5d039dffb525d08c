import { createHash } from 'node:crypto'
import { icons, style } from './page-style.ts'

/** How a login by browser stands, as its person is told. */
export type LoginResult =
  | { readonly kind: 'success'; readonly login: LoginName; readonly onlyAccessToken: boolean }
  | { readonly kind: 'denied'; readonly login: LoginName; readonly reason: string }
  | { readonly kind: 'failed'; readonly login: LoginName; readonly reason: string }
  | { readonly kind: 'expired'; readonly login: LoginName }
  | { readonly kind: 'locked'; readonly login: LoginName }
  | { readonly kind: 'unknown' }

export interface LoginName {
  readonly account: string
  readonly issuer: string
}

/** An answer to the browser. */
export interface ResultPage {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly html: string
}

interface Text {
  readonly status: number
  readonly icon: keyof typeof icons
  readonly title: string
  readonly says: string
  readonly login?: LoginName
  readonly reason?: string
  readonly reasonLabel?: string
  readonly next: string
}

/** Longest text of a provider that is shown, in characters. */
const MAX_REASON_CHARS = 400
const AGAIN = 'You can close this window and start again with oidc-gen.'

const styleHash = createHash('sha256').update(style).digest('base64')

/**
 * Nothing may be loaded, run, framed, kept or passed on: the address of this page has the code in it.
 */
const headers: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** The page a browser is shown when it comes back from the provider. */
export function resultPage(result: LoginResult): ResultPage {
  return pageOf(textOf(result))
}

function textOf(result: LoginResult): Text {
  switch (result.kind) {
    case 'success':
      return {
        status: 200,
        icon: 'done',
        title: 'You are logged in',
        says: result.onlyAccessToken
          ? 'oidc-agent has received the access token.'
          : 'oidc-agent has received your login. The rest happens in the terminal.',
        login: result.login,
        next: 'You can close this window.',
      }
    case 'denied':
      return {
        status: 400,
        icon: 'refused',
        title: 'Access was not granted',
        says: 'The provider sent you back without a login. Nothing was saved.',
        login: result.login,
        reason: result.reason,
        reasonLabel: 'It said',
        next: AGAIN,
      }
    case 'failed':
      return {
        status: 502,
        icon: 'refused',
        title: 'The login failed',
        says: 'You logged in, but oidc-agent could not get the tokens from the provider.',
        login: result.login,
        reason: result.reason,
        // The provider's words or ours.
        reasonLabel: 'Reason',
        next: AGAIN,
      }
    case 'expired':
      return {
        status: 410,
        icon: 'late',
        title: 'This login has expired',
        says: 'It took longer than oidc-agent waits. Nothing was saved.',
        login: result.login,
        next: AGAIN,
      }
    case 'locked':
      return {
        status: 503,
        icon: 'late',
        title: 'oidc-agent is locked',
        says: 'Unlock it with oidc-add -X, then reload this page.',
        login: result.login,
        next: 'Your login waits until then.',
      }
    case 'unknown':
      return {
        status: 400,
        icon: 'refused',
        title: 'No login waits for this',
        says: 'The address you were sent to belongs to no login that oidc-agent is waiting for.',
        next: AGAIN,
      }
  }
}

function pageOf(text: Text): ResultPage {
  const { status, icon, title, says, login, reason, reasonLabel = '', next } = text
  const shown = reason === undefined ? undefined : shortened(reason)
  const details =
    row('Account', login?.account) + row('Provider', login?.issuer) + row(reasonLabel, shown)
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)} · oidc-agent</title>
<style>${style}</style>
</head>
<body>
<main class="${icon}">
${icons[icon]}
<h1>${escaped(title)}</h1>
<p>${escaped(says)}</p>
${details === '' ? '' : `<dl>${details}</dl>\n`}<p class="next">${escaped(next)}</p>
</main>
<footer>oidc-agent</footer>
</body>
</html>
`
  return { status, headers, html }
}

function row(label: string, value: string | undefined): string {
  if (value === undefined || value === '') return ''
  return `<div><dt>${label}</dt><dd><bdi>${escaped(value)}</bdi></dd></div>`
}

/** Without what moves a cursor or turns the direction of text. */
function shortened(text: string): string {
  const visible = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return visible.length > MAX_REASON_CHARS ? `${visible.slice(0, MAX_REASON_CHARS)}…` : visible
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
