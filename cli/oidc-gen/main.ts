import { endWith, processIo } from '../process-io.ts'
import { run } from '../run.ts'
import { generate } from './oidc-gen.ts'
import { oidcGen } from './options.ts'
import { thisHost } from './this-host.ts'

void run(oidcGen, (args, io) => generate(args, io, thisHost()), processIo()).then(endWith)
