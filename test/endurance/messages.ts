import fc from 'fast-check'
import type { RequestType } from '../../protocol/wire/messages.ts'

/**
 * The requests, but for those that end the attack, as `lock` and `unlock` would make every other one be
 * refused or wait, and those by which the C agent writes files of any name.
 */
const types: readonly RequestType[] = [
  'access_token',
  'access_token',
  'id_token',
  'loaded_accounts',
  'account_info',
  'add',
  'remove',
  'gen',
  'device',
  'code_exchange',
  'state_lookup',
  'term_http_server',
  'register',
  'scopes',
  'check',
  'status',
  'status_json',
  'token_file',
  'token_file_stop',
  'jwks',
  'share',
  'unshare',
]

/** Words that mean something somewhere: they reach deeper than random ones. */
const words = fc.constantFrom(
  ...[
    'login0',
    'login1',
    '',
    ' ',
    '\u0000',
    '../login0',
    'https://127.0.0.1:1/',
    'https://',
    'a:b&scopes=*',
  ],
  ...[
    'openid',
    'storage.read:/',
    'refresh',
    'device',
    'code',
    '-1',
    '99999999999999999999',
    '1e309',
    'NaN',
  ],
)

/**
 * Values of members by which an agent reads, writes or runs something: never made up, since what the
 * owner of an agent asks for is done.
 */
const guarded: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  path: fc.constantFrom('', 'relative', '/nonexistent/x', '/dev/full/x', `/${'x'.repeat(5000)}`, 7),
  cert_path: fc.constantFrom('', '/nonexistent.pem', '/dev/null', 7),
  subject_token_file: fc.constantFrom('', '/nonexistent', '/dev/null', []),
  pw_entry: fc.record({
    type: fc.oneof(fc.integer(), fc.constantFrom('1', null, {})),
    shortname: words,
    command: fc.constantFrom('true', 'false', 'exit 3'),
    file: fc.constantFrom('/nonexistent', '/dev/null'),
  }),
  config: fc.oneof(
    fc.record(
      {
        name: words,
        issuer_url: fc.constantFrom('https://127.0.0.1:1/', 'http://x', '::', ''),
        client_id: words,
        refresh_token: words,
        redirect_uris: fc.jsonValue(),
        scope: words,
      },
      { requiredKeys: [] },
    ),
    words,
  ),
}

const names = fc.constantFrom(
  ...[
    'account',
    'account',
    'min_valid_period',
    'scope',
    'audience',
    'application_hint',
    'lifetime',
  ],
  ...[
    'issuer',
    'flow',
    'state',
    'code_verifier',
    'redirected_uri',
    'oidc_device',
    'confirm',
    'only_at',
  ],
  ...[
    'file_key',
    'allow',
    'share_for',
    'owner_pid',
    'filename',
    'data',
    'registration',
    'info',
    '__proto__',
  ],
)

const members = fc.array(
  fc.oneof(
    fc.tuple(names, fc.oneof(words, fc.jsonValue({ maxDepth: 3 }), fc.integer(), fc.double())),
    fc
      .constantFrom(...Object.keys(guarded))
      .chain((name) => fc.tuple(fc.constant(name), guarded[name] ?? words)),
  ),
  { maxLength: 6 },
)

/** A request of a known type with any members, as JSON. */
const request = fc
  .tuple(fc.oneof(fc.constantFrom(...types), words), members)
  .map(([type, given]) => JSON.stringify({ request: type, ...Object.fromEntries(given) }))

/** What happens to a text on its way: cut, doubled, bytes changed, nested deep, spaces and zeros around it. */
const damage: fc.Arbitrary<(text: string) => Buffer> = fc.oneof(
  fc.constant((text: string) => Buffer.from(text)),
  fc.nat().map((at) => (text: string) => Buffer.from(text.slice(0, at % (text.length + 1)))),
  fc.constant((text: string) => Buffer.from(text + text)),
  fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => (text: string) => {
    const bytes = Buffer.from(text)
    if (bytes.length > 0) bytes[at % bytes.length] = byte
    return bytes
  }),
  fc
    .nat(30_000)
    .map((depth) => (text: string) => Buffer.from(`{"request":${'['.repeat(depth)}${text}`)),
  fc.tuple(fc.constantFrom(' ', '\u0000', '\n', '\ufeff', '7:'), fc.nat(5000)).map(
    ([filler, count]) =>
      (text: string) =>
        Buffer.from(filler.repeat(count) + text),
  ),
)

/** Messages of any kind, most of them close to a good one. */
export const messages: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 9, arbitrary: fc.tuple(request, damage).map(([text, damaged]) => damaged(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6000 }).map((bytes) => Buffer.from(bytes)) },
)
