import type { CommandSpec } from '../arguments.ts'
import { flag } from '../option.ts'

const options = {
  verbose: flag('-v, --verbose', 'Report each step on stderr.'),
  debug: flag('-d, --debug', 'As --verbose; scripts written for condor_vault_storer use it.'),
}

export const oidcCondorStorer: CommandSpec<typeof options> = {
  name: 'oidc-condor-storer',
  summary:
    'Store access tokens as HTCondor credentials. If the pool sets SEC_CREDENTIAL_STORER to this command, condor_submit runs it for the services of use_oauth_services. A SERVICE is the name of an account; OIDC_CONDOR_ACCOUNTS="SERVICE=ACCOUNT ..." maps services to accounts of other names.',
  options,
  operands: {
    label: 'SERVICE[_ROLE][&handle=NAME][&scopes=S1,S2][&audience=AUD]...',
    min: 1,
    max: Number.POSITIVE_INFINITY,
  },
}
