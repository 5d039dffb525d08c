import type { Claims } from '../support/signing-key.ts'
import { WLCG_ANY } from '../support/wlcg-scopes.ts'
import type { Operation } from './operations.ts'
import { AUDIENCE } from './site.ts'

/*
 * What XRootD 5.5.3 with scitokens-cpp 0.7.3 really does with a token, row by row. Observed, not
 * deduced: where it departs from the WLCG profile, the row says what it does and a remark why.
 */

/** Where a token fails, and the line in the server's log that says why. */
interface OAuthErrorResponse {
  /** `login`: the token as such is not taken; `access`: it is, but not for this. */
  readonly at: 'login' | 'access'
  readonly log: RegExp
}

export const REFUSALS = {
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
} as const satisfies Readonly<Record<string, OAuthErrorResponse>>

export type Verdict = 'accepted' | keyof typeof REFUSALS

/** What one scope claim permits in a directory it names; everything else is not covered by it. */
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
  // Both writing scopes should permit stat. Here they do not, and xrdcp, which looks before it
  // writes, fails; so does anything else that wants to know whether the file is there.
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
  // Not translated into anything by this version.
  { scope: 'storage.stage:/public', permits: [] },
  { scope: 'compute.read compute.create compute.modify compute.cancel', permits: [] },
  { scope: 'openid offline_access wlcg', permits: [] },
]

/** What the server says to a token for reading, by `root read` and by `https get` alike. */
export interface ClaimCase {
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
  { title: 'everything as the profile has it', verdict: 'accepted' },

  { title: 'the directory itself', claims: PUBLIC, verdict: 'accepted' },
  { title: 'below the path', claims: PUBLIC, path: '/public/sub/deep.txt', verdict: 'accepted' },
  {
    title: 'another path',
    claims: PUBLIC,
    path: '/private/secret.txt',
    verdict: 'not covered by its scopes',
  },
  {
    title: 'a path above',
    claims: { scope: 'storage.read:/public/sub' },
    verdict: 'not covered by its scopes',
  },
  {
    title: 'a path that only begins like it: compared as text until XRootD 5.6.9',
    claims: PUBLIC,
    path: '/publication/paper.txt',
    verdict: 'accepted',
  },
  {
    title: 'likewise with a slash at its end, which is cut off',
    claims: { scope: 'storage.read:/public/' },
    path: '/publication/paper.txt',
    verdict: 'accepted',
  },
  {
    title: 'the file alone',
    claims: { scope: 'storage.read:/public/hello.txt' },
    verdict: 'accepted',
  },
  {
    title: 'no path in the scope counts as /, against the profile',
    claims: { scope: 'storage.read' },
    verdict: 'accepted',
  },
  {
    title: 'a path without its first slash gets one, against the profile',
    claims: { scope: 'storage.read:public' },
    verdict: 'accepted',
  },
  {
    title: 'a path with .. is walked, against the profile',
    claims: { scope: 'storage.read:/public/../private' },
    path: '/private/secret.txt',
    verdict: 'accepted',
  },
  {
    title: 'an escaped path is not unescaped, against the profile',
    claims: { scope: 'storage.read:/%70ublic' },
    verdict: 'not covered by its scopes',
  },
  { title: 'no scope claim', claims: { scope: undefined }, verdict: 'no scope' },
  {
    title: 'groups and no scope: nobody mapped them to rights',
    claims: { scope: undefined, 'wlcg.groups': ['/wlcg'] },
    verdict: 'no scope',
  },
  { title: 'an empty scope', claims: { scope: '' }, verdict: 'not covered by its scopes' },
  {
    title: 'scopes as a list',
    claims: { scope: ['storage.read:/'] },
    verdict: 'scope not a string',
  },

  { title: 'the audience in a list', claims: { aud: ['x', AUDIENCE] }, verdict: 'accepted' },
  { title: "WLCG's word for any audience", claims: { aud: WLCG_ANY }, verdict: 'accepted' },
  {
    title: 'the audience of another server',
    claims: { aud: 'https://other.example.org' },
    verdict: 'another audience',
  },
  {
    title: 'a list without this server',
    claims: { aud: ['https://other.example.org', 'condor://ce.example.org:9619'] },
    verdict: 'another audience',
  },
  {
    title: 'the audience with a slash at its end',
    claims: { aud: `${AUDIENCE}/` },
    verdict: 'another audience',
  },
  {
    title: 'the audience in capitals',
    claims: { aud: AUDIENCE.toUpperCase() },
    verdict: 'another audience',
  },
  {
    title: "SciTokens' word for any audience in a WLCG token",
    claims: { aud: 'ANY' },
    verdict: 'another audience',
  },
  { title: 'no audience', claims: { aud: undefined }, verdict: 'no audience' },

  { title: 'expired', claims: { exp: NOW - 5 }, verdict: 'not valid now' },
  { title: 'no expiry', claims: { exp: undefined }, verdict: 'no expiry' },
  { title: 'not valid before later', claims: { nbf: NOW + 300 }, verdict: 'not valid now' },
  { title: 'issued in the future', claims: { iat: NOW + 300 }, verdict: 'not valid now' },
  { title: 'no issue time', claims: { iat: undefined }, verdict: 'no issue time' },
  {
    title: 'no nbf in a token of type at+jwt',
    claims: { nbf: undefined },
    header: { typ: 'at+jwt' },
    verdict: 'accepted',
  },
  {
    title: 'no nbf in a token of type JWT, as those of IAM are',
    claims: { nbf: undefined },
    header: { typ: 'JWT' },
    verdict: 'no start of validity',
  },
  {
    title: 'no nbf and no type',
    claims: { nbf: undefined },
    header: { typ: undefined },
    verdict: 'no start of validity',
  },

  {
    title: 'no profile version, as in the default profile of IAM: storage.read means nothing',
    claims: NO_VERSION,
    verdict: 'not covered by its scopes',
  },
  {
    title: 'profile version 1.2',
    claims: { 'wlcg.ver': '1.2' },
    verdict: 'unknown profile version',
  },
  {
    title: 'the profile version as a number',
    claims: { 'wlcg.ver': 1 },
    verdict: 'profile version not a string',
  },
  { title: 'a SciToken', claims: SCITOKEN, verdict: 'accepted' },
  { title: 'a SciToken for any', claims: { ...SCITOKEN, aud: 'ANY' }, verdict: 'accepted' },
  {
    title: "a SciToken with WLCG's word for any audience",
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
  { title: 'no jti', claims: { jti: undefined }, verdict: 'accepted' },
  { title: 'no subject', claims: { sub: undefined }, verdict: 'no subject' },

  {
    title: 'another issuer',
    claims: { iss: 'https://other.example.org' },
    verdict: 'another issuer',
  },
  { title: 'no issuer', claims: { iss: undefined }, verdict: 'no issuer' },
  { title: 'a key the issuer does not have', header: { kid: 'other' }, verdict: 'unknown key' },
  {
    title: 'no key named, where the issuer has one only',
    header: { kid: undefined },
    verdict: 'accepted',
  },
  { title: 'not signed', header: { alg: 'none' }, verdict: 'another algorithm' },
]
