import { audienceParameters } from '../../protocol/storage/account.ts'
import type { CommandSpec } from '../arguments.ts'
import {
  choice,
  choices,
  flag,
  optionalText,
  text,
  texts,
  type Values,
  wholeNumbers,
} from '../option.ts'
import { passwordOptions } from '../passwords.ts'

const managing = {
  accounts: flag(
    '-l, --accounts',
    'Prints a list of all configured account configurations. Same as oidc-add -l',
  ),
  print: text(
    '-p, --print=FILE',
    'Prints the decrypted content of FILE. FILE can be a path or the name of an account configuration',
  ),
  update: text(
    '-u, --update=FILE',
    'Decrypts and reencrypts FILE, which updates its format. FILE can be a path or the name of an account configuration',
  ),
  rename: text('--rename=NEW_SHORTNAME', 'Renames an existing account configuration'),
  delete: flag('-d, --delete', 'Deletes the account configuration of the given account'),
  reauthenticate: flag(
    '--reauthenticate',
    'Gets a new refresh token for an existing account configuration and changes nothing else',
  ),
} as const

const generating = {
  file: text('-f, --file=FILE', "Reads the client configuration from FILE. Implicitly sets '-m'"),
  manual: flag(
    '-m, --manual',
    'Does not use dynamic client registration: the client was registered beforehand. Changes the account if it exists',
  ),
  pub: flag('--pub', 'Uses the public client that is configured for the issuer'),
  clientId: text(
    '--client-id=CLIENT_ID',
    "Use the client CLIENT_ID, which was registered beforehand. Implicitly sets '-m'",
  ),
  clientSecret: text(
    '--client-secret=CLIENT_SECRET',
    "Use CLIENT_SECRET as client secret; '' if the client has none",
  ),
  issuer: text('--issuer, --iss=ISSUER_URL', 'Set ISSUER_URL as the issuer url to be used'),
  scope: texts(
    '--scope=SCOPE',
    "Set SCOPE as the scope to be used. For more than one, separate them by spaces or repeat the option. 'max' means all available",
  ),
  scopeMax: flag(
    '--scope-max, --scope-all',
    "Use all scopes available at the provider. Same as '--scope=max'",
  ),
  flow: choices(
    '-w, --flow=code|device|password|refresh|client_credentials|token-exchange',
    ['code', 'device', 'password', 'refresh', 'client_credentials', 'token-exchange'],
    "The OIDC flow to use. Can be repeated, in order of preference. The default is 'code' if a browser can be shown, else 'device'",
  ),
  noSave: flag('--no-save', 'Only load the account into the agent, save no file'),
  skipCheck: flag(
    '--skip-check',
    "Saves the account without a first token. Only for the flows 'client_credentials' and 'token-exchange', for an account that is used elsewhere, as in a CI job",
  ),
} as const

const special = {
  accessToken: text(
    '--access-token, --at=ACCESS_TOKEN',
    'Use ACCESS_TOKEN for authorization at the registration endpoint',
  ),
  audience: text(
    '--audience, --aud=AUDIENCE',
    'Limit issued tokens to AUDIENCE. For more than one, separate them by spaces',
  ),
  clientName: text(
    '--client-name-identifier, --cnid=IDENTIFIER',
    'Appends IDENTIFIER to the client name, to distinguish it from those of other machines. The default is the host name',
  ),
  certPath: text(
    '--cert-path, --cert-file, --cp=FILE',
    "CA bundle to trust at this provider instead of the system's",
  ),
  configEndpoint: text(
    '--configuration-endpoint, --config-endpoint, --discovery-endpoint=ENDPOINT_URI',
    'Use this uri for the discovery of the provider, instead of the usual one',
  ),
  deviceEndpoint: text(
    '--device-authorization-endpoint, --dae=ENDPOINT_URI',
    'Use this uri as device authorization endpoint',
  ),
  oauth2: flag('--oauth2, --oauth', 'The provider supports OAuth 2 only, not OpenID Connect'),
  onlyToken: flag(
    '--only-at',
    'Print an access token and save no account. Needs a client registered beforehand or a public one',
  ),
  refreshToken: text(
    '--refresh-token, --rt=REFRESH_TOKEN',
    'Use REFRESH_TOKEN instead of a login. Implicitly sets --flow=refresh',
  ),
  refreshTokenEnv: optionalText(
    '--refresh-token-env, --rt-env[=OIDC_REFRESH_TOKEN]',
    'Like --rt, with the token in an environment variable (default: OIDC_REFRESH_TOKEN)',
  ),
  redirectUri: texts(
    '--redirect-uri, --redirect-url=URI',
    'Redirect URI of the client, http://localhost:<port>[/*] or edu.kit.data.oidc-agent:/<anything>',
  ),
  port: wholeNumbers('--port=PORT', 'Same as --redirect-uri=http://localhost:PORT'),
  username: text('--op-username=USERNAME', "User name for the flow 'password'"),
  password: text('--op-password=PASSWORD', "Password for the flow 'password'"),
  privateKey: text(
    '--private-key=FILE',
    'Private key, PEM or JWK, by which the client authenticates (private_key_jwt) instead of a secret',
  ),
  tokenEndpointAuthMethod: choice(
    '--token-endpoint-auth-method=METHOD',
    ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    'How the client authenticates: none, client_secret_basic, client_secret_post or private_key_jwt. The default is a method that the provider supports',
  ),
  subjectTokenSource: choice(
    '--subject-token-source=github',
    ['github'],
    "Platform of the job that requests the token to exchange from it, for the flow 'token-exchange'. Requested again for each access token",
  ),
  subjectTokenAudience: text(
    '--subject-token-audience=AUDIENCE',
    'Audience of the token of --subject-token-source. The default is the issuer',
  ),
  subjectTokenEnv: text(
    '--subject-token-env=VAR',
    "Variable in the agent's environment with the token to exchange, for the flow 'token-exchange'. Read again for each access token",
  ),
  subjectTokenFile: text('--subject-token-file=FILE', 'Like --subject-token-env, from FILE'),
  subjectTokenType: text(
    '--subject-token-type=URN',
    'Type of the token to exchange. The default is urn:ietf:params:oauth:token-type:id_token',
  ),
  audienceParameter: choice(
    '--audience-parameter=audience|resource|both|scope',
    audienceParameters,
    "Parameter by which an audience is requested from this provider. The default is that of issuer.config, else that of the provider's product",
  ),
  noWebserver: flag('--no-webserver', "Starts no web server for the redirect of the flow 'code'"),
  noScheme: flag('--no-scheme', "Uses no redirect to a custom uri scheme in the flow 'code'"),
  codeExchange: text(
    '--codeExchange=URI',
    'Uses URI to complete the account configuration generation process. URI must be the full url to which you were redirected after the authorization code flow',
  ),
  state: text(
    '--state=STATE',
    'Only get the account configuration of a login that was completed in the browser',
  ),
  noUrlCall: flag('--no-url-call', "Does not open a browser for the flow 'code'"),
} as const

const asking = {
  ...passwordOptions,
  prompt: choice(
    '--prompt=cli|gui|none',
    ['cli', 'gui', 'none'],
    "How to ask for missing values. The default is 'cli'",
  ),
  pwPrompt: choice(
    '--pw-prompt=cli|gui',
    ['cli', 'gui'],
    "How to ask for passwords. The default is 'cli'",
  ),
  confirmYes: flag('--confirm-yes', 'Confirms all confirmation prompts with yes'),
  confirmNo: flag('--confirm-no', 'Confirms all confirmation prompts with no'),
  confirmDefault: flag(
    '--confirm-default',
    'Confirms all confirmation prompts with the default value',
  ),
  verbose: flag('-v, --verbose', 'Report on stderr what is done'),
  debug: flag('-g, --debug', 'Same as --verbose'),
} as const

const options = { ...managing, ...generating, ...special, ...asking } as const

/** The options of `oidc-gen` and their values (cli.md §1.4). */
export type GenOptions = Values<typeof options>

export const oidcGen: CommandSpec<typeof options> = {
  name: 'oidc-gen',
  summary: 'Make account configurations that oidc-add can load.',
  options,
  operands: { label: '[ACCOUNT]', min: 0, max: 1 },
  headings: {
    accounts: 'Managing account configurations',
    file: 'Generating a new account configuration',
    accessToken: 'Generating a new account configuration, advanced',
    pwEnv: 'Questions and answers',
  },
}
