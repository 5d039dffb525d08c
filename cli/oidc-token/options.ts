import type { CommandSpec } from '../arguments.ts'
import { choice, flag, optionalText, text, texts, type Values, wholeNumber } from '../option.ts'
import { OPERATIONS } from './inspect/operation.ts'

const options = {
  all: flag('-a, --all', 'Print token, issuer and expiration time, each on a line.'),
  env: flag(
    '-c, --env',
    'Print shell commands that export token, issuer and expiration time as OIDC_AT, OIDC_ISS and OIDC_EXP; -o, -i and -e choose other names.',
  ),
  token: optionalText(
    '-o, --token[=OIDC_AT]',
    'Print the token; with a name or together with -i or -e, the shell command that exports it.',
  ),
  issuer: optionalText(
    '-i, --issuer[=OIDC_ISS]',
    'Print the issuer of the token; with a name or together with -o or -e, the shell command that exports it.',
  ),
  expiresAt: optionalText(
    '-e, --expires-at[=OIDC_EXP]',
    'Print the expiration time in seconds since 1970; with a name or together with -o or -i, the shell command that exports it.',
  ),
  bearer: flag('--bearer', 'Print the value of an HTTP authorization header: Bearer TOKEN.'),
  authHeader: flag(
    '--auth-header, --auth',
    'Print an HTTP authorization header, for curl -H or httpie.',
  ),
  time: wholeNumber('-t, --time=SECONDS', 'Least time the token must still be valid.'),
  forceNew: flag('-f, --force-new', 'Get a new token, even if one is at hand.'),
  scope: texts(
    '-s, --scope=SCOPE',
    'Scope of the token. For more than one, separate them by spaces or repeat the option.',
  ),
  audience: text(
    '--aud=AUDIENCE',
    'Audience of the token. For more than one, separate them by spaces.',
  ),
  strict: flag(
    '--strict',
    'Fail where the provider granted fewer scopes, another audience or a shorter life than was asked for, instead of saying so on stderr.',
  ),
  name: text(
    '--name=NAME',
    'Name of the program that asks, for programs that call oidc-token; it may be shown to you.',
  ),
  idToken: flag(
    '--id-token',
    'Print an id token instead of an access token, where the agent allows it. An id token is no authorization: do not pass it to services.',
  ),
  file: optionalText(
    '--file[=PATH]',
    'Let the agent write the token to a file and keep it fresh, and print its path. Without PATH, where programs look for it: $BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u<uid>, /tmp/bt_u<uid>. It is kept until --file-stop, until the account is removed or the agent locked, or until the agent ends.',
  ),
  purpose: text(
    '--purpose=PURPOSE',
    'Append -PURPOSE to the name of the file, for more than one token at a time.',
  ),
  once: flag('--once', 'Write the file once and do not keep it fresh.'),
  leave: flag('--leave', 'Leave the file when the agent ends.'),
  fileStop: optionalText('--file-stop[=PATH]', 'Stop keeping a file, and remove it.'),
  inspect: flag(
    '--inspect',
    'Show what is in a token instead of printing it. Without ACCOUNT, the token that programs find: $BEARER_TOKEN, $BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u<uid>, /tmp/bt_u<uid>; with - one from stdin. It is sent nowhere.',
  ),
  tokenFile: text(
    '--token-file=FILE',
    'Inspect the token in a file, also one in JSON as those of HTCondor are.',
  ),
  verify: flag(
    '--verify',
    "Check its signature by its issuer's keys, which the agent fetches, and the rules of its profile. The status is 1 if anything is wrong.",
  ),
  certPath: text(
    '--cert-path, --cert-file, --cp=FILE',
    'CA bundle to trust for the issuer of the token. Without it that of the account, of the issuer files, of this system.',
  ),
  for: text(
    '--for=URL',
    'Say whether it would do there: root://HOST//PATH, https://HOST/PATH, condor://HOST:PORT. The status is 1 if not.',
  ),
  op: choice('--op=OPERATION', OPERATIONS, `What is to be done there: ${OPERATIONS.join(', ')}.`),
  forAudience: text(
    '--for-audience=AUDIENCE',
    'The audience that service wants, where it is not made of its address.',
  ),
  json: flag('--json', 'Print what is found as JSON.'),
}

/** What is on the command line of `oidc-token` (cli.md §1.3). */
export type TokenOptions = Values<typeof options>

export const oidcToken: CommandSpec<typeof options> = {
  name: 'oidc-token',
  summary: 'Get an access token from oidc-agent.',
  options,
  operands: { label: '[ACCOUNT | https://ISSUER | -]', min: 0, max: 1 },
  headings: {
    all: 'What is printed',
    time: 'Which token',
    file: 'Token files',
    inspect: 'Looking inside',
  },
}
