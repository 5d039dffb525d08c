import type { CommandSpec } from '../arguments.ts'
import { flag, text, texts, wholeNumber } from '../option.ts'

const options = {
  oidc: text(
    '--oidc=ACCOUNT|https://ISSUER',
    'Account whose token it is; may be left out where exactly one is loaded.',
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
    'Least time the token in the file is valid, as far as half its lifetime allows. Default: 60',
  ),
  strict: flag(
    '--strict',
    'Do not run the command where the provider granted fewer scopes, another audience or a shorter life than was asked for, instead of saying so on stderr.',
  ),
  verbose: flag('-v, --verbose', 'Say on stderr where the token is and until when it is valid'),
}

export const oidcTokensh: CommandSpec<typeof options> = {
  name: 'oidc-tokensh',
  summary:
    'Run a command, or your shell, with an access token in a file that the agent keeps fresh; BEARER_TOKEN_FILE and _condor_SCITOKENS_FILE name it. The file is gone when the command has ended.',
  options,
  operands: { label: '[COMMAND [ARGS...]]', min: 0, max: Number.POSITIVE_INFINITY },
  stopAtOperand: true,
}
