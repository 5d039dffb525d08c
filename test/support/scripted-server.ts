import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CertificateAuthority,
  createAuthority,
  type ServerCertificate,
} from './certificates.ts'
import { startLoopbackServer } from './loopback-server.ts'

/** A request, received completely. */
interface ScriptedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  /** The client's port: equal for requests on the same connection. */
  readonly port: number | undefined
  readonly form: Readonly<Record<string, string>>
}

/** A response; an object is sent as JSON, a text unchanged. */
interface ScriptedResponse {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | object
}

/** `hang`: no response. `cut`: ends the connection. `half`: ends it in the middle of the body. */
export type ScriptedReply = ScriptedResponse | 'hang' | 'cut' | 'half'

/** Replies by path; 404 for other paths. */
export type Script = Record<string, ScriptedReply | ((request: ScriptedRequest) => ScriptedReply)>

export interface ScriptedServerOptions {
  /** Replaces the valid certificate. */
  readonly certificate?: (authority: CertificateAuthority) => ServerCertificate
  /** True: plain HTTP. */
  readonly plain?: boolean
  readonly host?: string
}

/** An HTTP server with scripted replies. */
export interface ScriptedServer {
  readonly origin: string
  readonly caPath: string
  /** May be changed while it runs. */
  readonly script: Script
  readonly requests: ScriptedRequest[]
  readonly close: () => Promise<void>
}

/** Starts a server with a discovery document and the replies of the script. */
export async function startScriptedServer(
  script: Script = {},
  options: ScriptedServerOptions = {},
): Promise<ScriptedServer> {
  const authority = createAuthority()
  const directory = await mkdtemp(join(tmpdir(), 'scripted-server-'))
  const caPath = join(directory, 'ca.pem')
  await writeFile(caPath, authority.pem)

  const requests: ScriptedRequest[] = []
  const certificate = options.certificate?.(authority) ?? authority.issue()
  const server = await startLoopbackServer(
    options.plain === true ? undefined : certificate,
    (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        const { method = '', url: path = '', headers } = request
        const form = Object.fromEntries(new URLSearchParams(body))
        const recorded = { method, path, headers, body, form, port: request.socket.remotePort }
        requests.push(recorded)
        const scripted = script[path]
        give(response, typeof scripted === 'function' ? scripted(recorded) : scripted)
      })
    },
  )
  const scheme = options.plain === true ? 'http' : 'https'
  const origin = `${scheme}://${options.host ?? 'localhost'}:${server.port}`
  script['/.well-known/openid-configuration'] ??= { body: discoveryDocument(origin) }
  return {
    origin,
    caPath,
    script,
    requests,
    close: async () => {
      await server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A discovery document with every endpoint that the agent uses. */
export function discoveryDocument(origin: string): Record<string, unknown> {
  return {
    issuer: origin,
    token_endpoint: `${origin}/token`,
    device_authorization_endpoint: `${origin}/device`,
    registration_endpoint: `${origin}/register`,
    revocation_endpoint: `${origin}/revoke`,
    scopes_supported: ['openid', 'offline_access'],
  }
}

function give(response: ServerResponse, reply: ScriptedReply | undefined): void {
  if (reply === 'hang') return
  if (reply === 'cut') {
    response.destroy()
    return
  }
  if (reply === 'half') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
    response.write('{"access_token":')
    setImmediate(() => response.destroy())
    return
  }
  const { status, headers, body } = reply ?? { status: 404, body: '' }
  const text = typeof body === 'object' ? JSON.stringify(body) : (body ?? '')
  const type = typeof body === 'object' ? { 'content-type': 'application/json' } : {}
  response.writeHead(status ?? 200, { ...type, ...headers }).end(text)
}
