import type { Io } from '../run.ts'
import { visibleText } from '../visible-text.ts'
import type { GenContext } from './setting.ts'

/** Where the person's browser comes back to. */
interface Shown {
  /** Whether the agent waits for it there. */
  readonly served: boolean
}

/** Tells the person, on stderr, where to log in, and what to do if the browser cannot come back. */
export function showAddress(uri: string, { io, options }: GenContext): Shown {
  const { stderr } = io
  stderr.write(
    `\nTo continue and approve the registered client visit the following URL in a Browser of your choice:\n${visibleText(uri)}\n\n`,
  )
  const redirect = redirectUriIn(uri)
  const isLocal = redirect.startsWith('http://')
  if (!isLocal) {
    stderr.write(
      'You are using a redirect uri with a custom scheme. Your browser will redirect you to another oidc-gen instance automatically. You then can complete the account configuration generation process there.\n',
    )
  } else if (options.noWebserver) {
    stderr.write(
      `You have chosen to not use a webserver. You therefore have to do a manual redirect. Your browser will redirect you to '${redirect}' which will not succeed, because oidc-agent did not start a webserver. Copy the whole url you are being redirected to and pass it to:\noidc-gen --codeExchange='<url>'\n`,
    )
  } else if (!hasDisplay(io.env)) {
    stderr.write(
      `If that browser runs on another machine, it will end at an address that begins with ${redirect} and cannot be opened there. Copy the whole address and pass it to:\noidc-gen --codeExchange='<url>'\n`,
    )
  }
  return { served: isLocal && !options.noWebserver }
}

/** Whether a browser can show itself. */
export function hasDisplay(env: Io['env']): boolean {
  return (env['DISPLAY'] ?? '') !== '' || (env['WAYLAND_DISPLAY'] ?? '') !== ''
}

function redirectUriIn(uri: string): string {
  if (!URL.canParse(uri)) return ''
  return visibleText(new URL(uri).searchParams.get('redirect_uri') ?? '')
}
