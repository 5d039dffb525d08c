import { randomBytes } from 'node:crypto'
import type { JSONWebKeySet } from 'jose'
import type { ClientAuthMethod } from './behaviour.ts'
import type { Fields } from './response.ts'

/** A client that is known. */
export interface KnownClient {
  readonly id: string
  /** Undefined: a public client, or one that signs with its own key. */
  readonly secret: string | undefined
  readonly authMethod: ClientAuthMethod
  /** Registered scopes; undefined: all the system has. */
  readonly scope: readonly string[] | undefined
  /** Undefined: all the provider has. */
  readonly grantTypes: readonly string[] | undefined
  readonly redirectUris: readonly string[]
  readonly jwks: JSONWebKeySet | undefined
  /** What it registered itself with, and the token to change it. */
  readonly registration: { readonly token: string; readonly metadata: Fields } | undefined
}

/** What a person (or, without a subject of its own, a client) allowed once. All tokens hang on it. */
export interface Grant {
  readonly clientId: string
  readonly subject: string
  readonly scope: readonly string[]
  /** The audience asked for at first; what a token gets that asks for none. */
  readonly audience: readonly string[]
  /** True where that was asked for with `resource` (RFC 8707): nothing else can be had later. */
  readonly bound: boolean
  /** Of an authorization request (OpenID Connect Core §3.1.2.1). */
  readonly nonce: string | undefined
  /** Google's `access_type=offline`. */
  readonly offline: boolean
  revoked: boolean
}

interface Aging {
  /** Unix seconds; undefined: never. */
  expiresAt: number | undefined
}

export interface DeviceCode extends Aging {
  readonly code: string
  readonly userCode: string
  readonly grant: Grant
  decision: 'none' | 'approved' | 'denied'
  polls: number
}

export interface AuthorizationCode extends Aging {
  readonly code: string
  readonly grant: Grant
  readonly redirectUri: string
  readonly challenge: string | undefined
  readonly challengeMethod: string
  used: boolean
}

export interface RefreshToken extends Aging {
  readonly value: string
  readonly grant: Grant
  spent: boolean
}

export interface AccessToken extends Aging {
  readonly value: string
  readonly grant: Grant
  readonly scope: readonly string[]
  readonly audience: readonly string[]
}

/** All the provider remembers. */
export class Store {
  readonly clients = new Map<string, KnownClient>()
  /** Good for one registration each (RFC 7591 §3), where the provider wants one. */
  readonly initialAccessTokens = new Set<string>()
  readonly deviceCodes = new Map<string, DeviceCode>()
  readonly codes = new Map<string, AuthorizationCode>()
  readonly refreshTokens = new Map<string, RefreshToken>()
  readonly accessTokens = new Map<string, AccessToken>()
  /** `jti` of client assertions, which count once (RFC 7523 §3). */
  readonly assertions = new Set<string>()

  /** Takes seconds from the life of everything that was issued so far. */
  age(seconds: number): void {
    for (const kind of [this.deviceCodes, this.codes, this.refreshTokens, this.accessTokens]) {
      for (const thing of kind.values()) {
        if (thing.expiresAt !== undefined) thing.expiresAt -= seconds
      }
    }
  }

  byUserCode(userCode: string): DeviceCode | undefined {
    const wanted = userCode.toUpperCase()
    return [...this.deviceCodes.values()].find((one) => one.userCode === wanted)
  }

  forgetAccessTokens(grant: Grant): void {
    for (const [value, token] of this.accessTokens) {
      if (token.grant === grant) this.accessTokens.delete(value)
    }
  }

  /** Ends a grant with every token it gave. */
  revoke(grant: Grant): void {
    grant.revoked = true
    this.forgetAccessTokens(grant)
  }
}

/** A name nobody guesses, safe in a URL. */
export function unguessable(bytes = 24): string {
  return randomBytes(bytes).toString('base64url')
}

/** As people can read it out: `WDJB-MJHT` (RFC 8628 §6.1). */
export function newUserCode(): string {
  const letters = 'BCDFGHJKLMNPQRSTVWXZ'
  const text = [...randomBytes(8)].map((byte) => letters[byte % letters.length] ?? 'B').join('')
  return `${text.slice(0, 4)}-${text.slice(4)}`
}
