import { randomBytes } from 'node:crypto'
import type { JSONWebKeySet } from 'jose'
import type { Fields } from './response.ts'
import type { ClientAuthMethod } from './settings.ts'

/** A registered client. */
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

/** What a person granted, or a client for itself. Every token belongs to a grant. */
export interface Grant {
  readonly clientId: string
  readonly subject: string
  readonly scope: readonly string[]
  /** The audience of the first request; the default of later ones. */
  readonly audience: readonly string[]
  /** True: the first request named it by `resource` (RFC 8707), and later ones can only narrow it. */
  readonly bound: boolean
  /** Of an authorization request (OpenID Connect Core §3.1.2.1). */
  readonly nonce: string | undefined
  /** Google's `access_type=offline`. */
  readonly offline: boolean
  revoked: boolean
}

interface Expiring {
  /** Unix seconds; undefined: never. */
  expiresAt: number | undefined
}

export interface DeviceCode extends Expiring {
  readonly code: string
  readonly userCode: string
  readonly grant: Grant
  decision: 'none' | 'approved' | 'denied'
  polls: number
}

export interface AuthorizationCode extends Expiring {
  readonly code: string
  readonly grant: Grant
  readonly redirectUri: string
  readonly challenge: string | undefined
  readonly challengeMethod: string
  used: boolean
}

export interface RefreshToken extends Expiring {
  readonly value: string
  readonly grant: Grant
  spent: boolean
}

export interface AccessToken extends Expiring {
  readonly value: string
  readonly grant: Grant
  readonly scope: readonly string[]
  readonly audience: readonly string[]
}

/** All state of the provider. */
export class Store {
  readonly clients = new Map<string, KnownClient>()
  /** Each permits registrations (RFC 7591 §3) at a provider that requires one. */
  readonly initialAccessTokens = new Set<string>()
  readonly deviceCodes = new Map<string, DeviceCode>()
  readonly codes = new Map<string, AuthorizationCode>()
  readonly refreshTokens = new Map<string, RefreshToken>()
  readonly accessTokens = new Map<string, AccessToken>()
  /** `jti` of the client assertions so far: each may be used once (RFC 7523 §3). */
  readonly assertions = new Set<string>()

  /** Shortens the lifetime of everything issued so far. */
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

  /** Revokes a grant with all its tokens. */
  revoke(grant: Grant): void {
    grant.revoked = true
    this.forgetAccessTokens(grant)
  }
}

/** A random text that is safe in a URL. */
export function randomToken(bytes = 24): string {
  return randomBytes(bytes).toString('base64url')
}

/** A user code such as `WDJB-MJHT` (RFC 8628 §6.1). */
export function newUserCode(): string {
  const letters = 'BCDFGHJKLMNPQRSTVWXZ'
  const text = [...randomBytes(8)].map((byte) => letters[byte % letters.length] ?? 'B').join('')
  return `${text.slice(0, 4)}-${text.slice(4)}`
}
