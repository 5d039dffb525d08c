/** What is up at the moment with the person, the client, the clock and the truth of the answers. */
export interface Scenario {
  /** What the person does at the pages of the provider, unless told otherwise per device code. */
  readonly person: 'approves' | 'denies' | 'absent'
  /** Who the person is. */
  readonly subject: string
  readonly groups: readonly string[]
  readonly passwords: Readonly<Record<string, string>>
  readonly user: 'active' | 'inactive' | 'has a policy to sign'
  readonly clientsSuspended: boolean
  /** Prefixes of scopes that a policy keeps from this person: dropped without a word. */
  readonly scopesWithheld: readonly string[]
  /** Polls of a device code that are answered `slow_down` before anything else. */
  readonly slowDowns: number
  /** Seconds the provider's clock is ahead: its `Date`, `iat`, `exp`, and when it finds things old. */
  readonly clockOffsetSeconds: number

  // ── Untruths ──
  /** Published in the discovery document instead of the issuer. */
  readonly issuerPublished: string | undefined
  readonly stateInAuthorizationResponse: 'same' | 'wrong' | 'absent'
  readonly expiresInShown: boolean
  /** `aud` of every access token, whatever was asked for. */
  readonly audienceAnswered: string | undefined
  /** `scope` of every token and answer, whatever was granted. */
  readonly scopeAnswered: string | undefined
}

/** A good day. */
export const calm: Scenario = {
  person: 'absent',
  subject: 'alice',
  groups: ['/wlcg', '/wlcg/pilots'],
  passwords: { alice: 'wonderland' },
  user: 'active',
  clientsSuspended: false,
  scopesWithheld: [],
  slowDowns: 0,
  clockOffsetSeconds: 0,
  issuerPublished: undefined,
  stateInAuthorizationResponse: 'same',
  expiresInShown: true,
  audienceAnswered: undefined,
  scopeAnswered: undefined,
}
