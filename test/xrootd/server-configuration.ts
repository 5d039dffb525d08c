import { join } from 'node:path'

/** The directories and files of one server, all below its temporary directory. */
export interface ServerPlaces {
  /** What it serves. */
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

/** Whose tokens a server takes, and for what. */
export interface TokenRules {
  /** Compared with `iss` character by character. */
  readonly issuer: string
  /** Names the server answers to; without any, only the wildcards of the profiles pass. */
  readonly audience: readonly string[]
  /** What the server puts before the paths in this issuer's scopes. */
  readonly basePath: string
}

export function serverPlaces(directory: string): ServerPlaces {
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
export function xrootdConfiguration(places: ServerPlaces): string {
  return `all.export /
all.adminpath ${places.state}
all.pidpath ${places.state}
oss.localroot ${places.data}

xrd.port any
xrd.protocol http libXrdHttp.so
xrd.tls ${places.certificate} ${places.key}
xrd.tlsca certdir ${places.authorities}

# ztn speaks over TLS only; a plain root:// client is told to change over.
xrootd.tls capable all
xrootd.seclib libXrdSec.so
sec.protocol ztn
sec.protbind * only ztn

# Without this line the plugin does not see the header of an HTTP request.
http.header2cgi Authorization authz

ofs.authorize
ofs.authlib libXrdAccSciTokens.so config=${places.sciTokens}
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
