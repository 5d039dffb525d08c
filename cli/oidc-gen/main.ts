import { exitWith, processIo, run } from '../run.ts'
import { thisHost } from './host.ts'
import { generate } from './oidc-gen.ts'
import { oidcGen } from './options.ts'

// From here on `ps` shows this title instead of the arguments, some of which are secrets
// (--op-password, --rt, --client-secret).
process.title = 'oidc-gen'

void run(oidcGen, (args, io) => generate(args, io, thisHost(io.env)), processIo()).then(exitWith)
