import { randomInt } from 'node:crypto'

/** The scheme that desktops hand to `oidc-gen --codeExchange` (cli.md §1.4). */
const CUSTOM_SCHEME = 'edu.kit.data.oidc-agent:'
/** What the C agent registers public clients with (protocol.md §3.5): tried where an account names none. */
const usualUris = ['http://localhost:8080', 'http://localhost:4242', 'http://localhost:43985']
/** Ports that neither root nor outgoing connections use (RFC 6335 §6, "User Ports"). */
const FIRST_USER_PORT = 1024
const LAST_USER_PORT = 49_151

/** Where the browser may be sent after a login. */
export interface RedirectUris {
  /** On this machine, where a web server of ours can take it. */
  readonly local: readonly LocalRedirect[]
  /** Taken by whatever handles {@link CUSTOM_SCHEME} on the desktop. */
  readonly custom: readonly string[]
}

export interface LocalRedirect {
  /** As registered: providers compare it character by character (RFC 9700 §2.1). */
  readonly uri: string
  readonly port: number
  readonly path: string
}

/** An account's redirect URIs by kind, in their order; what is neither is left out. */
export function redirectUrisOf(uris: readonly string[]): RedirectUris {
  const all = uris.length === 0 ? usualUris : uris
  return {
    local: all.flatMap((uri) => localRedirect(uri) ?? []),
    custom: all.filter((uri) => uri.startsWith(`${CUSTOM_SCHEME}/`)),
  }
}

/** What a client is registered with where the person names none: as by the C agent (cli.md §2). */
export function newClientUris(): readonly string[] {
  const port = randomInt(FIRST_USER_PORT, LAST_USER_PORT + 1)
  return [
    'http://localhost:4242',
    `http://localhost:${port}`,
    'http://localhost:8080',
    `${CUSTOM_SCHEME}/redirect`,
  ]
}

function localRedirect(uri: string): LocalRedirect | undefined {
  if (!URL.canParse(uri)) return undefined
  const { protocol, hostname, port, pathname } = new URL(uri)
  if (protocol !== 'http:' || !['localhost', '127.0.0.1', '[::1]'].includes(hostname)) {
    return undefined
  }
  return { uri, port: port === '' ? 80 : Number(port), path: pathname }
}
