import { exitWith, processIo, run } from '../run.ts'
import { addAccounts } from './oidc-add.ts'
import { oidcAdd } from './options.ts'

void run(oidcAdd, addAccounts, processIo()).then(exitWith)
