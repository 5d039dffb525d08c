import { AccountDirectory } from '../../protocol/account-directory.ts'
import { callAgent } from '../../protocol/client.ts'
import { findConfigDirectory } from '../../protocol/config-directory.ts'
import { readKnownIssuers } from '../../protocol/issuer-config.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { chooseIssuer } from './choose-issuer.ts'
import { newAccountName } from './choose-name.ts'
import { chooseScope } from './choose-scope.ts'
import { type AccountPlan, newAccountJson, providerConfig } from './draft.ts'
import { plannedPassword } from './encryption-password.ts'
import { login } from './login.ts'
import { publicClient } from './public-client.ts'
import { withdrawClient, withRegisteredClient } from './register-client.ts'
import { saveAccount } from './save-account.ts'
import type { GenContext } from './setting.ts'

/** Makes a new account with a client registered for it, or with the issuer's public client. */
export async function createAccount(given: string | undefined, context: GenContext): Promise<void> {
  const { agent, io, host, options } = context
  await callAgent(agent, { request: 'check' })
  const path = findConfigDirectory(io.env)
  const directory = path === undefined ? undefined : new AccountDirectory(path)
  const name = await newAccountName(given, directory, context)
  const issuer = await chooseIssuer(
    name,
    await readKnownIssuers(path, host.systemDirectory),
    context,
  )
  const place = providerConfig(issuer, context)
  const plan = { name, issuer, place, scope: await chooseScope(place, context, { client: 'new' }) }
  const password = options.noSave ? undefined : await plannedPassword(context)

  const fields = await withClient(plan, context)
  io.stdout.write('Generating account configuration ...\n')
  const account = await loginOrWithdraw(fields, context)
  if (account === undefined) return
  await saveAccount(account, { kind: 'new', password: password ?? { kind: 'ask' } }, context)
}

async function withClient(plan: AccountPlan, context: GenContext): Promise<JsonObject> {
  const draft = newAccountJson(plan, context)
  return context.options.pub
    ? { ...draft, ...publicClient(plan.issuer) }
    : await withRegisteredClient(draft, plan, context)
}

/** A login that fails, also by Ctrl-C, leaves no client behind at the provider. */
async function loginOrWithdraw(
  fields: JsonObject,
  context: GenContext,
): Promise<JsonObject | undefined> {
  try {
    return await login(fields, context)
  } catch (error) {
    await withdrawClient(fields, context)
    throw error
  }
}
