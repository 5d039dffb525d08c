import { exitWith, processIo } from '../process-io.ts'
import { run } from '../run.ts'
import { thisHost } from './host.ts'
import { launch } from './oidc-agent.ts'
import { oidcAgent } from './options.ts'

void run(oidcAgent, (args, io) => launch(args, io, thisHost()), processIo()).then(exitWith)
