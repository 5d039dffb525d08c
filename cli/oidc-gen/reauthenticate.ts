import { callAgent } from '../../protocol/client.ts'
import { accountDirectory } from '../account-directory.ts'
import { unlockAccount } from '../unlock-account.ts'
import { login } from './login.ts'
import { noSuchAccount } from './rename-account.ts'
import { saveAccount } from './save-account.ts'
import { type GenContext, passwordWays } from './setting.ts'

/** `--reauthenticate`: a new login with the same client; the file keeps its password. */
export async function reauthenticate(name: string, context: GenContext): Promise<void> {
  const { agent, io, refreshToken } = context
  await callAgent(agent, { request: 'check' })
  const directory = accountDirectory(io.env)
  if (!(await directory.has(name))) throw noSuchAccount()
  const text = await directory.read(name)
  const { fields, key } = await unlockAccount(name, text, passwordWays(context))
  io.stdout.write('Generating account configuration ...\n')
  // What was granted at the last login says nothing of this one.
  const given = refreshToken === undefined ? {} : { refresh_token: refreshToken }
  const fresh = { ...fields, refresh_scope: '', ...given }
  const account = await login(fresh, context)
  if (account !== undefined) await saveAccount(account, { kind: 'same', key }, context)
}
