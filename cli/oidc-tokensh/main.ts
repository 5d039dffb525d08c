import { exitWith, processIo, run } from '../run.ts'
import { runWithToken } from './oidc-tokensh.ts'
import { oidcTokensh } from './options.ts'

void run(oidcTokensh, runWithToken, processIo()).then(exitWith)
