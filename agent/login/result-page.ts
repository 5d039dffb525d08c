import { createHash } from 'node:crypto'
import { sanitize } from '../../protocol/wire/text.ts'

/** The style sheet of the result page. The content security policy allows it, and no other, by its hash. */
const style = `
:root { --ground: #eef1f5; --card: #ffffff; --ink: #16202c; --soft: #566475; --line: #dfe4ea; --tone: #1a7f4b; --wash: #e2f4ea; }
.refused { --tone: #b3362b; --wash: #fbe7e5; }
.late { --tone: #9a6100; --wash: #fbf0dc; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #10151b; --card: #1a222c; --ink: #e9eef4; --soft: #9dabba; --line: #2d3844; --tone: #5fd39a; --wash: #173527; }
  .refused { --tone: #ff8d80; --wash: #3d201e; }
  .late { --tone: #f0bd62; --wash: #392c14; }
}
* { box-sizing: border-box; margin: 0; }
body { min-height: 100vh; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 1.25rem; padding: 1.25rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { width: 100%; max-width: 30rem; padding: 2.5rem 2.25rem 2.25rem; background: var(--card); border: 1px solid var(--line); border-radius: 1rem;
  box-shadow: 0 1px 2px rgb(16 24 40 / 6%), 0 12px 32px rgb(16 24 40 / 8%); text-align: center; }
svg { display: block; width: 4rem; height: 4rem; margin: 0 auto 1.25rem; padding: 1.05rem; border-radius: 50%; background: var(--wash);
  fill: none; stroke: var(--tone); stroke-width: 2.6; stroke-linecap: round; stroke-linejoin: round; }
h1 { margin-bottom: .5rem; font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; text-wrap: balance; }
p { color: var(--soft); text-wrap: pretty; }
dl { margin: 1.5rem 0; border: 1px solid var(--line); border-radius: .625rem; text-align: left; }
dl div { display: flex; gap: 1rem; padding: .7rem 1rem; }
dl div + div { border-top: 1px solid var(--line); }
dt { flex: 0 0 4.5rem; color: var(--soft); }
dd { flex: 1; min-width: 0; overflow-wrap: anywhere; font-weight: 500; }
.next { margin-top: 1.5rem; color: var(--ink); font-weight: 600; }
dl + .next { margin-top: 0; }
footer { color: var(--soft); font-size: .875rem; }
@media (max-width: 26rem) {
  main { padding: 2rem 1.25rem 1.75rem; }
  dl div { flex-direction: column; gap: .1rem; }
  dt { flex: none; font-size: .875rem; }
}
`

/** Inline, because the content security policy lets the page load nothing. */
const icons = {
  done: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 12.8 9.4 18 20 6.6"/></svg>',
  refused:
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5.5 5.5l13 13m0-13-13 13"/></svg>',
  late: '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="9.5"/><path d="M12 6.5V12l3.5 2.5"/></svg>',
} as const

/** The state of an authorization code login when its browser has come back. */
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

/** An HTTP response for the browser. */
export interface ResultPage {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly html: string
}

/** The texts of a page. `login` and `reason` are foreign, the others ours. */
interface Content {
  readonly status: number
  readonly icon: keyof typeof icons
  readonly title: string
  readonly message: string
  readonly login?: LoginName
  readonly reason?: string
  readonly reasonLabel?: string
  readonly next: string
}

const AGAIN = 'You can close this window and start again with oidc-gen.'

const styleHash = createHash('sha256').update(style).digest('base64')

/**
 * Forbids to load, run, frame or cache anything, and to pass on the URL of the page: it has the
 * authorization code in it.
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

/** The page that a browser gets when the provider has redirected it to the agent. */
export function resultPage(result: LoginResult): ResultPage {
  return pageOf(contentOf(result))
}

function contentOf(result: LoginResult): Content {
  switch (result.kind) {
    case 'success':
      return {
        status: 200,
        icon: 'done',
        title: 'You are logged in',
        message: result.onlyAccessToken
          ? 'oidc-agent has received the access token.'
          : 'oidc-agent has received the tokens. Continue in the terminal.',
        login: result.login,
        next: 'You can close this window.',
      }
    case 'denied':
      return {
        status: 400,
        icon: 'refused',
        title: 'Access was not granted',
        message: 'The provider returned an error instead of a login. Nothing was saved.',
        login: result.login,
        reason: result.reason,
        reasonLabel: 'Error',
        next: AGAIN,
      }
    case 'failed':
      return {
        status: 502,
        icon: 'refused',
        title: 'The login failed',
        message: 'You logged in, but oidc-agent could not get the tokens from the provider.',
        login: result.login,
        reason: result.reason,
        reasonLabel: 'Reason',
        next: AGAIN,
      }
    case 'expired':
      return {
        status: 410,
        icon: 'late',
        title: 'This login has expired',
        message: 'oidc-agent no longer waits for this login. Nothing was saved.',
        login: result.login,
        next: AGAIN,
      }
    case 'locked':
      return {
        status: 503,
        icon: 'late',
        title: 'oidc-agent is locked',
        message: 'Unlock it with oidc-add -X, then reload this page.',
        login: result.login,
        next: 'The login then continues.',
      }
    case 'unknown':
      return {
        status: 400,
        icon: 'refused',
        title: 'Unknown login',
        message: 'oidc-agent is not waiting for a login with this address.',
        next: AGAIN,
      }
  }
}

function pageOf(content: Content): ResultPage {
  const { status, icon, title, message, login, reason, reasonLabel = '', next } = content
  const details =
    row('Account', login?.account) + row('Provider', login?.issuer) + row(reasonLabel, reason)
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · oidc-agent</title>
<style>${style}</style>
</head>
<body>
<main class="${icon}">
${icons[icon]}
<h1>${title}</h1>
<p>${message}</p>
${details === '' ? '' : `<dl>${details}</dl>\n`}<p class="next">${next}</p>
</main>
<footer>oidc-agent</footer>
</body>
</html>
`
  return { status, headers, html }
}

/** A row for a foreign text; nothing if there is no text. */
function row(label: string, value = ''): string {
  if (value === '') return ''
  return `<div><dt>${label}</dt><dd><bdi>${sanitize(value, 'html')}</bdi></dd></div>`
}
