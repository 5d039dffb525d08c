import { exitWith, processIo, run } from '../run.ts'
import { launch } from './oidc-agent.ts'
import { oidcAgent } from './options.ts'
import { thisHost } from './start-daemon.ts'

void run(oidcAgent, (args, io) => launch(args, io, thisHost()), processIo()).then(exitWith)
