import { endWith, processIo } from '../process-io.ts'
import { run } from '../run.ts'
import { addAccounts } from './oidc-add.ts'
import { oidcAdd } from './options.ts'

void run(oidcAdd, addAccounts, processIo()).then(endWith)
