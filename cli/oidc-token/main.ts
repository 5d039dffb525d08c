import { exitWith, processIo, run } from '../run.ts'
import { getToken } from './oidc-token.ts'
import { oidcToken } from './options.ts'

void run(oidcToken, getToken, processIo()).then(exitWith)
