import { exitWith, processIo, run } from '../run.ts'
import { storeCredentials } from './oidc-condor-storer.ts'
import { onNewLine } from './on-new-line.ts'
import { oidcCondorStorer } from './options.ts'

void run(oidcCondorStorer, storeCredentials, onNewLine(processIo())).then(exitWith)
