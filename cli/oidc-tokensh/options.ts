import type { CommandSpec } from '../arguments.ts'
import { flag, positiveNumber, text, texts, wholeNumber } from '../option.ts'

const options = {
  oidc: text(
    '--oidc=ACCOUNT|https://ISSUER',
    'Account of the token. Default: the loaded account, if exactly one is loaded.',
  ),
  audience: text(
    '--aud=AUDIENCE',
    'Audience of the token. For more than one, separate them by spaces.',
  ),
  scope: texts(
    '-s, --scope=SCOPE',
    'Scope of the token. For more than one, separate them by spaces or repeat the option.',
  ),
  minSeconds: wholeNumber(
    '--minsecs=SECONDS',
    'Minimum remaining lifetime of the token in the file, at most half its whole lifetime. Default: 60',
  ),
  strict: flag(
    '--strict',
    'Do not run the command if the provider grants fewer scopes, another audience or a shorter lifetime than requested. Without this option, oidc-tokensh reports the difference on stderr.',
  ),
  timeout: positiveNumber(
    '--timeout=SECONDS',
    'Wait for the agent for at most this time. Default: 330 s, as it may be asking you something; 60 s if it does not answer at all.',
  ),
  verbose: flag('-v, --verbose', 'Report on stderr the path and the expiry of the token'),
}

export const oidcTokensh: CommandSpec<typeof options> = {
  name: 'oidc-tokensh',
  summary:
    'Run a command, or your shell, with an access token in a file that the agent renews. BEARER_TOKEN_FILE and _condor_SCITOKENS_FILE have its path. The file is removed when the command ends.',
  options,
  operands: { label: '[COMMAND [ARGS...]]', min: 0, max: Number.POSITIVE_INFINITY },
  stopAtOperand: true,
}
