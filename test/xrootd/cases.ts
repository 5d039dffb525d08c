import type { Claims } from '../support/signing-key.ts'
import { WLCG_ANY } from '../support/wlcg-scopes.ts'
import type { Operation } from './operations.ts'
import { AUDIENCE } from './site.ts'

/*
 * What XRootD 5.5.3 with scitokens-cpp 0.7.3 does with a token, one case after the other. The cases
 * are observations: if they differ from the WLCG profile, a remark says why.
 */

/** How a token is rejected, and the reason in the server's log. */
interface Rejection {
  /** `login`: the token is invalid; `access`: it is valid, but not for this operation. */
  readonly at: 'login' | 'access'
  readonly log: RegExp
}

export const REJECTIONS = {
  'not covered by its scopes': {
    at: 'access',
    log: /(?:New valid|Cached) token [^]*permission denied/,
  },
  'no scope': { at: 'access', log: /'scope' claim is mandatory/ },
  'scope not a string': { at: 'access', log: /'scope' claim verification failed/ },
  'another audience': { at: 'access', log: /'aud' claim verification failed/ },
  'no audience': { at: 'login', log: /'aud' claim required for WLCG profile/ },
  'no subject': { at: 'access', log: /Failed to get token subject/ },
  // The library has one message for "no longer" and "not yet".
  'not valid now': { at: 'login', log: /token expired/ },
  'no expiry': { at: 'login', log: /'exp' claim is mandatory/ },
  'no issue time': { at: 'login', log: /'iat' claim is mandatory/ },
  'no start of validity': { at: 'login', log: /'nbf' claim is mandatory/ },
  'unknown profile version': { at: 'login', log: /Unknown WLCG profile version in token: 1\.2/ },
  'profile version not a string': { at: 'login', log: /'ver' claim value must be a string/ },
  'another issuer': { at: 'login', log: /Token issuer is not in list of allowed issuers/ },
  'no issuer': { at: 'login', log: /'iss' claim is mandatory/ },
  'unknown key': { at: 'login', log: /Key ID is not published by the issuer/ },
  'another algorithm': { at: 'login', log: /wrong algorithm/ },
} as const satisfies Readonly<Record<string, Rejection>>

export type Verdict = 'accepted' | keyof typeof REJECTIONS

/** The operations that a scope claim permits in the directory it names; it covers no others. */
export interface ScopeCase {
  readonly scope: string
  readonly permits: readonly Operation[]
}

const READING: readonly Operation[] = [
  'root read',
  'root stat',
  'root list',
  'https get',
  'https head',
  'https list',
]

/** For `/public/hello.txt`. */
export const SCOPE_CASES: readonly ScopeCase[] = [
  { scope: 'storage.read:/public', permits: READING },
  // Both scopes for writing should permit stat. Here they do not: xrdcp, which calls stat before it
  // writes, fails, and so does every other client that checks whether the file exists.
  { scope: 'storage.create:/public', permits: ['root mkdir', 'https put new', 'https mkcol'] },
  {
    scope: 'storage.modify:/public',
    permits: [
      'root remove',
      'root mkdir',
      'root rename',
      'https put new',
      'https overwrite',
      'https mkcol',
      'https move',
    ],
  },
  {
    scope: 'storage.read:/public storage.create:/public',
    permits: [
      ...READING,
      'root write new',
      'root mkdir',
      'root rename',
      'https put new',
      'https mkcol',
      'https move',
    ],
  },
  {
    scope: 'storage.read:/public storage.modify:/public',
    permits: [
      ...READING,
      'root write new',
      'root overwrite',
      'root remove',
      'root mkdir',
      'root rename',
      'https put new',
      'https overwrite',
      'https delete',
      'https mkcol',
      'https move',
    ],
  },
  // This version translates these scopes into no permission.
  { scope: 'storage.stage:/public', permits: [] },
  { scope: 'compute.read compute.create compute.modify compute.cancel', permits: [] },
  { scope: 'openid offline_access wlcg', permits: [] },
]

/** The verdict of the server on reading with a token, the same for `root read` and `https get`. */
export interface ClaimCase {
  /** The token and the path, as a noun phrase. */
  readonly title: string
  readonly claims?: Claims
  readonly header?: Claims
  /** Default `/public/hello.txt`. */
  readonly path?: string
  readonly verdict: Verdict
}

const NOW = Math.floor(Date.now() / 1000)
const NO_VERSION: Claims = { 'wlcg.ver': undefined }
const SCITOKEN: Claims = { ...NO_VERSION, ver: 'scitoken:2.0', scope: 'read:/public' }
const PUBLIC: Claims = { scope: 'storage.read:/public' }

export const CLAIM_CASES: readonly ClaimCase[] = [
  { title: 'a token with all claims of the profile', verdict: 'accepted' },

  { title: 'a scope for the directory of the file', claims: PUBLIC, verdict: 'accepted' },
  {
    title: 'a scope for a directory above',
    claims: PUBLIC,
    path: '/public/sub/deep.txt',
    verdict: 'accepted',
  },
  {
    title: 'a scope for another path',
    claims: PUBLIC,
    path: '/private/secret.txt',
    verdict: 'not covered by its scopes',
  },
  {
    title: 'a scope for a directory below',
    claims: { scope: 'storage.read:/public/sub' },
    verdict: 'not covered by its scopes',
  },
  {
    title: 'a scope whose path is a prefix of the text, compared as text until XRootD 5.6.9',
    claims: PUBLIC,
    path: '/publication/paper.txt',
    verdict: 'accepted',
  },
  {
    title: 'a scope whose path is such a prefix with a slash at its end, which is cut off',
    claims: { scope: 'storage.read:/public/' },
    path: '/publication/paper.txt',
    verdict: 'accepted',
  },
  {
    title: 'a scope for the file alone',
    claims: { scope: 'storage.read:/public/hello.txt' },
    verdict: 'accepted',
  },
  {
    title: 'a scope without a path, which counts as / against the profile',
    claims: { scope: 'storage.read' },
    verdict: 'accepted',
  },
  {
    title: 'a scope whose path has no first slash, which is added against the profile',
    claims: { scope: 'storage.read:public' },
    verdict: 'accepted',
  },
  {
    title: 'a scope whose path contains .., which is resolved against the profile',
    claims: { scope: 'storage.read:/public/../private' },
    path: '/private/secret.txt',
    verdict: 'accepted',
  },
  {
    title: 'a scope whose path is escaped, which is not unescaped against the profile',
    claims: { scope: 'storage.read:/%70ublic' },
    verdict: 'not covered by its scopes',
  },
  { title: 'a token without a scope claim', claims: { scope: undefined }, verdict: 'no scope' },
  {
    title: 'a token with groups and no scope, which are not mapped to permissions',
    claims: { scope: undefined, 'wlcg.groups': ['/wlcg'] },
    verdict: 'no scope',
  },
  { title: 'an empty scope', claims: { scope: '' }, verdict: 'not covered by its scopes' },
  {
    title: 'a scope claim that is a list',
    claims: { scope: ['storage.read:/'] },
    verdict: 'scope not a string',
  },

  {
    title: "a list with this server's audience",
    claims: { aud: ['x', AUDIENCE] },
    verdict: 'accepted',
  },
  { title: "WLCG's wildcard audience", claims: { aud: WLCG_ANY }, verdict: 'accepted' },
  {
    title: 'the audience of another server',
    claims: { aud: 'https://other.example.org' },
    verdict: 'another audience',
  },
  {
    title: "a list without this server's audience",
    claims: { aud: ['https://other.example.org', 'condor://ce.example.org:9619'] },
    verdict: 'another audience',
  },
  {
    title: "this server's audience with a slash at its end",
    claims: { aud: `${AUDIENCE}/` },
    verdict: 'another audience',
  },
  {
    title: "this server's audience in capitals",
    claims: { aud: AUDIENCE.toUpperCase() },
    verdict: 'another audience',
  },
  {
    title: "SciTokens' wildcard audience in a WLCG token",
    claims: { aud: 'ANY' },
    verdict: 'another audience',
  },
  { title: 'a token without an audience', claims: { aud: undefined }, verdict: 'no audience' },

  { title: 'an expired token', claims: { exp: NOW - 5 }, verdict: 'not valid now' },
  { title: 'a token without an expiry', claims: { exp: undefined }, verdict: 'no expiry' },
  { title: 'a token that is not valid yet', claims: { nbf: NOW + 300 }, verdict: 'not valid now' },
  { title: 'a token issued in the future', claims: { iat: NOW + 300 }, verdict: 'not valid now' },
  { title: 'a token without an issue time', claims: { iat: undefined }, verdict: 'no issue time' },
  {
    title: 'a token of type at+jwt without nbf',
    claims: { nbf: undefined },
    header: { typ: 'at+jwt' },
    verdict: 'accepted',
  },
  {
    title: 'a token of type JWT, as those of IAM, without nbf',
    claims: { nbf: undefined },
    header: { typ: 'JWT' },
    verdict: 'no start of validity',
  },
  {
    title: 'a token without nbf and type',
    claims: { nbf: undefined },
    header: { typ: undefined },
    verdict: 'no start of validity',
  },

  {
    title:
      'a token without a profile version, as of the default profile of IAM, where storage.read has no meaning',
    claims: NO_VERSION,
    verdict: 'not covered by its scopes',
  },
  {
    title: 'a token with the profile version 1.2',
    claims: { 'wlcg.ver': '1.2' },
    verdict: 'unknown profile version',
  },
  {
    title: 'a token whose profile version is a number',
    claims: { 'wlcg.ver': 1 },
    verdict: 'profile version not a string',
  },
  { title: 'a SciToken', claims: SCITOKEN, verdict: 'accepted' },
  {
    title: "a SciToken with SciTokens' wildcard audience",
    claims: { ...SCITOKEN, aud: 'ANY' },
    verdict: 'accepted',
  },
  {
    title: "a SciToken with WLCG's wildcard audience",
    claims: { ...SCITOKEN, aud: WLCG_ANY },
    verdict: 'another audience',
  },
  {
    title: 'a SciToken with the scopes of WLCG',
    claims: { ...SCITOKEN, ...PUBLIC },
    verdict: 'not covered by its scopes',
  },
  {
    title: 'a WLCG token with the scopes of SciTokens',
    claims: { scope: 'read:/public' },
    verdict: 'accepted',
  },
  { title: 'a token without a jti', claims: { jti: undefined }, verdict: 'accepted' },
  { title: 'a token without a subject', claims: { sub: undefined }, verdict: 'no subject' },

  {
    title: 'a token of another issuer',
    claims: { iss: 'https://other.example.org' },
    verdict: 'another issuer',
  },
  { title: 'a token without an issuer', claims: { iss: undefined }, verdict: 'no issuer' },
  { title: 'a token signed by an unknown key', header: { kid: 'other' }, verdict: 'unknown key' },
  {
    title: 'a token without a key id, from an issuer with a single key',
    header: { kid: undefined },
    verdict: 'accepted',
  },
  { title: 'an unsigned token', header: { alg: 'none' }, verdict: 'another algorithm' },
]
