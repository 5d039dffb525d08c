import { callAgent } from '../../protocol/client/call.ts'
import type { AccessTokenReply, JsonObject } from '../../protocol/wire/messages.ts'
import { outputOf } from './command.ts'
import type { Sandbox, SandboxAgent } from './sandbox.ts'
import { PASSWORD, seedAccount } from './seed-account.ts'
import type { WlcgProvider } from './wlcg-provider.ts'

/** Runs `oidc-add` for an account of {@link seedAccount}. */
export async function addAccount(
  sandbox: Sandbox,
  name: string,
  options: readonly string[] = [],
): Promise<void> {
  const env = { OIDC_ENCRYPTION_PW: PASSWORD }
  outputOf(await sandbox.run('oidc-add', ['--pw-env', ...options, name], { env }))
}

/** An agent with one account that has logged in. Gives the account as its file had it. */
export async function startLoaded(
  sandbox: Sandbox,
  provider: WlcgProvider,
  name = 'wlcg',
): Promise<{ agent: SandboxAgent; account: JsonObject }> {
  const account = await seedAccount(sandbox, provider, name)
  const agent = await sandbox.startAgent()
  await addAccount(sandbox, name)
  return { agent, account }
}

interface TokenWishes {
  readonly account?: string
  readonly audience?: string
  readonly scope?: string
  readonly force?: boolean
}

/** Asks an agent for a token over its socket, as a library in another program does. */
export function tokenFrom(
  { socketPath }: SandboxAgent,
  { account = 'wlcg', audience, scope, force = false }: TokenWishes = {},
): Promise<AccessTokenReply> {
  return callAgent(
    { kind: 'unix', path: socketPath },
    {
      request: 'access_token',
      account,
      ...(audience === undefined ? {} : { audience }),
      ...(scope === undefined ? {} : { scope }),
      ...(force ? { min_valid_period: -1 } : {}),
    },
  )
}
