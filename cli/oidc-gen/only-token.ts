import { callAgent } from '../../protocol/client.ts'
import { configured, existingAccount } from './configure-account.ts'
import { loginForToken } from './login.ts'
import type { GenContext } from './setting.ts'

/** `--only-at`: a login for one access token; no account comes of it. */
export async function printOnlyToken(name: string | undefined, context: GenContext): Promise<void> {
  const { agent, io } = context
  await callAgent(agent, { request: 'check' })
  const stored = name === undefined ? undefined : await existingAccount(name, context)
  const fields = await configured(name ?? 'only-at', stored?.fields ?? {}, context)
  const token = await loginForToken(fields, context)
  if (token !== undefined) io.stdout.write(`${token}\n`)
}
