import { exitWith, processIo, run } from '../run.ts'
import { thisHost } from './context.ts'
import { generate } from './oidc-gen.ts'
import { oidcGen } from './options.ts'

// What `ps` shows of this process from here on: --op-password, --rt and --client-secret do not stay there.
process.title = 'oidc-gen'

void run(oidcGen, (args, io) => generate(args, io, thisHost(io.env)), processIo()).then(exitWith)
