import { join } from 'node:path'

/** The directories and files of one server, all below its temporary directory. */
export interface ServerPaths {
  /** The files that it serves. */
  readonly data: string
  /** Its sockets, its pid file and the issuers' keys. */
  readonly state: string
  readonly configuration: string
  readonly sciTokens: string
  readonly certificate: string
  readonly key: string
  /** Authorities by hash, as `openssl rehash` makes them. */
  readonly authorities: string
  /** The system's authorities, the issuer's and the server's own, in one file. */
  readonly bundle: string
}

/** The issuer whose tokens a server accepts, and the audience. */
export interface TokenRules {
  /** Compared with `iss` character by character. */
  readonly issuer: string
  /** The audiences of the server; if empty, only the wildcards of the profiles are accepted. */
  readonly audience: readonly string[]
  /** The directory to which the paths in this issuer's scopes are relative. */
  readonly basePath: string
}

export function serverPaths(directory: string): ServerPaths {
  return {
    data: join(directory, 'data'),
    state: join(directory, 'state'),
    configuration: join(directory, 'xrootd.cfg'),
    sciTokens: join(directory, 'scitokens.cfg'),
    certificate: join(directory, 'host.pem'),
    key: join(directory, 'host.key'),
    authorities: join(directory, 'authorities'),
    bundle: join(directory, 'bundle.pem'),
  }
}

/** xrootd.cfg: root:// with ztn and https:// on one free port, authorization by tokens alone. */
export function xrootdConfiguration(paths: ServerPaths): string {
  return `all.export /
all.adminpath ${paths.state}
all.pidpath ${paths.state}
oss.localroot ${paths.data}

xrd.port any
xrd.protocol http libXrdHttp.so
xrd.tls ${paths.certificate} ${paths.key}
xrd.tlsca certdir ${paths.authorities}

# ztn works over TLS only; a plain root:// client must change to TLS.
xrootd.tls capable all
xrootd.seclib libXrdSec.so
sec.protocol ztn
sec.protbind * only ztn

# Without this line the plugin does not see the header of an HTTP request.
http.header2cgi Authorization authz

ofs.authorize
ofs.authlib libXrdAccSciTokens.so config=${paths.sciTokens}
scitokens.trace all
`
}

/** scitokens.cfg. */
export function sciTokensConfiguration({ issuer, audience, basePath }: TokenRules): string {
  return `[Global]
${audience.length === 0 ? '' : `audience = ${audience.join(', ')}\n`}
[Issuer test]
issuer = ${issuer}
base_path = ${basePath}
`
}
