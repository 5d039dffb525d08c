import type { CommandSpec } from '../arguments.ts'
import {
  choice,
  flag,
  optionalText,
  positiveNumber,
  text,
  texts,
  type Values,
  wholeNumber,
} from '../option.ts'
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
  time: wholeNumber('-t, --time=SECONDS', 'Minimum remaining lifetime of the token.'),
  forceNew: flag('-f, --force-new', 'Get a new token even if the agent has a valid one.'),
  scope: texts(
    '-s, --scope=SCOPE',
    'Scope of the token. For more than one, separate them by spaces or repeat the option.',
  ),
  audience: text(
    '--aud=AUDIENCE',
    'Audience of the token. For more than one, separate them by spaces.',
  ),
  timeout: positiveNumber(
    '--timeout=SECONDS',
    'Wait for the agent for at most this time. Default: 330 s, as it may be asking you something; 60 s if it does not answer at all.',
  ),
  strict: flag(
    '--strict',
    'Fail if the provider grants fewer scopes, another audience or a shorter lifetime than requested. Without this option, oidc-token reports the difference on stderr.',
  ),
  name: text(
    '--name=NAME',
    'For programs that call oidc-token: the name of the program, which may be shown to the user.',
  ),
  idToken: flag(
    '--id-token',
    'Print an ID token instead of an access token, if the agent allows it. An ID token authorizes nothing: do not pass it to services.',
  ),
  file: optionalText(
    '--file[=PATH]',
    'Let the agent write the token to a file and renew it there; print the path. Default PATH, where programs look for a token: $BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u<uid>, /tmp/bt_u<uid>. The agent renews the file until --file-stop, until the account is removed, or until the agent is locked or ends.',
  ),
  purpose: text(
    '--purpose=PURPOSE',
    'Append -PURPOSE to the name of the file, for more than one token at a time.',
  ),
  once: flag('--once', 'Write the file once and do not renew it.'),
  leave: flag('--leave', 'Keep the file when the agent ends.'),
  fileStop: optionalText('--file-stop[=PATH]', 'Stop renewing a file and remove it.'),
  inspect: flag(
    '--inspect',
    'Show the content of a token instead of printing it. Without ACCOUNT, the token that programs find: $BEARER_TOKEN, $BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u<uid>, /tmp/bt_u<uid>; with -, the token on stdin. The token is not sent anywhere.',
  ),
  tokenFile: text(
    '--token-file=FILE',
    'Inspect the token in a file; it may be JSON, as the token files of HTCondor are.',
  ),
  verify: flag(
    '--verify',
    'Check the signature with the keys of the issuer, which the agent fetches, and the rules of the profile. The exit status is 1 if a check fails.',
  ),
  certPath: text(
    '--cert-path, --cert-file, --cp=FILE',
    'CA bundle to trust for the issuer. Default: the bundle of the account, of the issuer files, or of the system.',
  ),
  for: text(
    '--for=URL',
    'Check whether this service accepts the token: root://HOST//PATH, https://HOST/PATH, condor://HOST:PORT. The exit status is 1 if not.',
  ),
  op: choice('--op=OPERATION', OPERATIONS, `Operation at that service: ${OPERATIONS.join(', ')}.`),
  forAudience: text(
    '--for-audience=AUDIENCE',
    'Audience of that service, if it does not follow from the URL.',
  ),
  json: flag('--json', 'Print the result of --inspect as JSON.'),
}

/** The options on the command line of `oidc-token` (cli.md §1.3). */
export type TokenOptions = Values<typeof options>

export const oidcToken: CommandSpec<typeof options> = {
  name: 'oidc-token',
  summary: 'Get an access token from oidc-agent.',
  options,
  operands: { label: '[ACCOUNT | https://ISSUER | -]', min: 0, max: 1 },
  headings: {
    all: 'Output',
    time: 'Token',
    file: 'Token files',
    inspect: 'Inspection',
  },
}
