import { callAgent } from '../../protocol/client/call.ts'
import { noLibraryReason, noPeerReason, runPeer, startPeerAgent } from '../support/c-peer.ts'
import { outputOf } from '../support/command.ts'
import { Sandbox, type SandboxAgent } from '../support/sandbox.ts'
import { PASSWORD, seedAccount } from '../support/seed-account.ts'
import type { WlcgProvider } from '../support/wlcg-provider.ts'

/** One of the two compared programs: its agent, in its own sandbox, and its commands. */
export interface Contender {
  readonly sandbox: Sandbox
  readonly agent: SandboxAgent
  /** Runs a command of this contender. Returns its stdout. */
  run(command: string, ...args: readonly string[]): Promise<string>
  /** Requests a token from the agent over its socket, from this process. */
  ask(account: string, audience?: string): Promise<unknown>
}

/** Our programs, with the account `wlcg` loaded. */
export async function ourContender(provider: WlcgProvider): Promise<Contender> {
  const sandbox = await Sandbox.create()
  return loaded(provider, sandbox, await sandbox.startAgent(), async (command, args) =>
    outputOf(await sandbox.run(command, args, { env })),
  )
}

/** The C programs, with the account `wlcg` loaded; undefined if they are not installed. */
export async function peerContender(provider: WlcgProvider): Promise<Contender | undefined> {
  if (noPeerReason !== undefined) return undefined
  const sandbox = await Sandbox.create()
  return loaded(provider, sandbox, await startPeerAgent(sandbox), async (command, args) =>
    outputOf(await runPeer(sandbox, command, args, { env })),
  )
}

export const whyNoPeer = noPeerReason
export const whyNoLibrary = noLibraryReason

const env = { OIDC_ENCRYPTION_PW: PASSWORD }

async function loaded(
  provider: WlcgProvider,
  sandbox: Sandbox,
  agent: SandboxAgent,
  run: (command: string, args: readonly string[]) => Promise<string>,
): Promise<Contender> {
  await seedAccount(sandbox, provider, 'wlcg')
  await run('oidc-add', ['--pw-env', 'wlcg'])
  return {
    sandbox,
    agent,
    run: (command, ...args) => run(command, args),
    ask: (account, audience) =>
      callAgent(
        { kind: 'unix', path: agent.socketPath },
        { request: 'access_token', account, audience },
      ),
  }
}
