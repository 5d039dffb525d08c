import { createHash } from 'node:crypto'

/** How the result page looks. It is allowed by its hash: nothing else may style the page. */
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

/** Drawn in the page: it may load nothing. */
const icons = {
  done: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 12.8 9.4 18 20 6.6"/></svg>',
  refused:
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5.5 5.5l13 13m0-13-13 13"/></svg>',
  late: '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="9.5"/><path d="M12 6.5V12l3.5 2.5"/></svg>',
} as const

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
