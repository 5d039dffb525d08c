import type { CommandSpec } from '../arguments.ts'
import { flag } from '../option.ts'

const options = {
  verbose: flag('-v, --verbose', 'Say what is done.'),
  debug: flag('-d, --debug', 'The same; scripts around condor_vault_storer pass it.'),
}

export const oidcCondorStorer: CommandSpec<typeof options> = {
  name: 'oidc-condor-storer',
  summary:
    'Store access tokens as HTCondor credentials. condor_submit runs it for the services of use_oauth_services where the pool sets SEC_CREDENTIAL_STORER to it. Each SERVICE is the name of an account; OIDC_CONDOR_ACCOUNTS="SERVICE=ACCOUNT ..." says where it is not.',
  options,
  operands: {
    label: 'SERVICE[_ROLE][&handle=NAME][&scopes=S1,S2][&audience=AUD]...',
    min: 1,
    max: Number.POSITIVE_INFINITY,
  },
}
