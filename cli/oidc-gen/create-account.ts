import { AccountDirectory } from '../../protocol/account-directory.ts'
import { callAgent } from '../../protocol/client.ts'
import { findConfigDirectory } from '../../protocol/config-directory.ts'
import { readKnownIssuers } from '../../protocol/issuer-config.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { chooseIssuer } from './choose-issuer.ts'
import { newAccountName } from './choose-name.ts'
import { chooseScope } from './choose-scope.ts'
import { type AccountPlan, draftAccount, providerPlace } from './draft.ts'
import { plannedPassword } from './encryption-password.ts'
import { login } from './login.ts'
import { publicClient } from './public-client.ts'
import { withdrawClient, withRegisteredClient } from './register-client.ts'
import { saveAccount } from './save-account.ts'
import type { GenSetting } from './setting.ts'

/** Makes a new account with a client registered for it, or with the issuer's public client. */
export async function createAccount(given: string | undefined, setting: GenSetting): Promise<void> {
  const { agent, io, host, options } = setting
  await callAgent(agent, { request: 'check' })
  const path = findConfigDirectory(io.env)
  const directory = path === undefined ? undefined : new AccountDirectory(path)
  const name = await newAccountName(given, directory, setting)
  const issuer = await chooseIssuer(
    name,
    await readKnownIssuers(path, host.systemDirectory),
    setting,
  )
  const place = providerPlace(issuer, setting)
  const plan = { name, issuer, place, scope: await chooseScope(place, setting, { client: 'new' }) }
  const password = options.noSave ? undefined : await plannedPassword(setting)

  const fields = await withClient(plan, setting)
  io.stdout.write('Generating account configuration ...\n')
  const account = await loginOrWithdraw(fields, setting)
  if (account === undefined) return
  await saveAccount(account, { kind: 'new', password: password ?? { kind: 'ask' } }, setting)
}

async function withClient(plan: AccountPlan, setting: GenSetting): Promise<JsonObject> {
  const draft = draftAccount(plan, setting)
  return setting.options.pub
    ? { ...draft, ...publicClient(plan.issuer) }
    : await withRegisteredClient(draft, plan, setting)
}

/** A login that fails, also by Ctrl-C, leaves no client behind at the provider. */
async function loginOrWithdraw(
  fields: JsonObject,
  setting: GenSetting,
): Promise<JsonObject | undefined> {
  try {
    return await login(fields, setting)
  } catch (error) {
    await withdrawClient(fields, setting)
    throw error
  }
}
