import { callAgent } from '../../protocol/client.ts'
import { configured, existingAccount } from './configure-account.ts'
import { loginForToken } from './login.ts'
import type { GenSetting } from './setting.ts'

/** `--only-at`: a login for one access token; no account comes of it. */
export async function printOnlyToken(name: string | undefined, setting: GenSetting): Promise<void> {
  const { agent, io } = setting
  await callAgent(agent, { request: 'check' })
  const stored = name === undefined ? undefined : await existingAccount(name, setting)
  const fields = await configured(name ?? 'only-at', stored?.fields ?? {}, setting)
  const token = await loginForToken(fields, setting)
  if (token !== undefined) io.stdout.write(`${token}\n`)
}
