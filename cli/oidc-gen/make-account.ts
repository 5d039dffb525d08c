import { callAgent } from '../../protocol/client/call.ts'
import { AccountDirectory, checkAccountName } from '../../protocol/storage/account-directory.ts'
import { findConfigDirectory } from '../../protocol/storage/config-directory.ts'
import { readKnownIssuers } from '../../protocol/storage/issuer-config.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { accountDirectory } from '../account-directory.ts'
import { type PasswordAccess, type UnlockedAccount, unlockAccount } from '../passwords.ts'
import { printable } from '../printing.ts'
import {
  type AccountBasis,
  changedAccountJson,
  checkExtensionFields,
  fieldText,
  newAccountJson,
  providerConfig,
} from './account-json.ts'
import { withdrawClient, withRegisteredClient } from './client-registration.ts'
import type { GenIo } from './host.ts'
import { type ChosenIssuer, chooseIssuer, publicClient } from './issuer.ts'
import { login, loginForToken } from './login.ts'
import { noSuchAccount, readConfiguration } from './manage-files.ts'
import type {
  ConfigurePlan,
  CreatePlan,
  GivenClientPlan,
  OnlyTokenPlan,
  ReauthenticatePlan,
} from './plan.ts'
import type { Prompter } from './prompter.ts'
import {
  askName,
  type ClientSources,
  chooseRedirectUris,
  givenClient,
  newAccountName,
} from './questions.ts'
import { newSealing, sameSealing, saveAccount } from './save-account.ts'
import { chooseScope } from './scopes.ts'

/**
 * Makes a new account with a client registered for it, or with the issuer's public client.
 * @throws AgentError `bad-request` if the account exists; what a step failed with
 */
export async function createAccount(plan: CreatePlan, gen: GenIo): Promise<void> {
  const { io, host, agent, prompter, passwords } = gen
  await callAgent(agent, { request: 'check' })
  const path = await findConfigDirectory(io.env)
  const directory = path === undefined ? undefined : new AccountDirectory(path)
  const name = await newAccountName(plan.account, directory, prompter)
  const known = await readKnownIssuers(path, host.systemDirectory)
  const issuer = await chooseIssuer(name, plan.provider.issuer, known, prompter)
  const provider = providerConfig(issuer, plan.provider, {})
  const { stderr } = io
  const sources = { agent, prompter, stderr }
  const scope = await chooseScope(provider, plan.scopes, { client: 'new' }, sources)
  const sealing = await newSealing(plan.save, passwords)

  const basis = { name, hostName: host.hostName, issuer, provider, scope }
  const fields = await withNewClient(basis, plan, gen)
  io.stdout.write('Generating account configuration ...\n')
  const account = await loginOrWithdraw(fields, plan, gen)
  if (account !== undefined) await saveAccount(account, sealing, gen)
}

async function withNewClient(
  basis: AccountBasis,
  plan: CreatePlan,
  { agent, io }: GenIo,
): Promise<JsonObject> {
  const draft = newAccountJson(basis, plan)
  switch (plan.client.kind) {
    case 'public':
      return { ...draft, ...publicClient(basis.issuer) }
    case 'register': {
      const { initialAccessToken } = plan.client
      const registration = { initialAccessToken, flows: plan.login.flows }
      return withRegisteredClient(draft, basis, registration, { agent, io })
    }
  }
}

/** If the login fails, also by Ctrl-C, deletes the client that was registered for it. */
async function loginOrWithdraw(
  fields: JsonObject,
  plan: CreatePlan,
  gen: GenIo,
): Promise<JsonObject | undefined> {
  try {
    return await login(fields, plan.login, gen)
  } catch (error) {
    await withdrawClient(fields, gen.agent, gen.io)
    throw error
  }
}

/**
 * Makes an account with a client that was registered beforehand, or changes an existing account, whose
 * values are then the defaults of the questions.
 * @throws AgentError what a step failed with
 */
export async function configureAccount(plan: ConfigurePlan, gen: GenIo): Promise<void> {
  const { io, agent, prompter, passwords } = gen
  await callAgent(agent, { request: 'check' })
  const name = plan.account ?? (await askName(prompter))
  checkAccountName(name)
  const old = await existingAccount(name, passwords)
  if (old === undefined) {
    io.stdout.write('No account exists with this short name. Creating new configuration ...\n')
  }
  const fields = await configured(name, old?.fields ?? {}, plan, gen)
  const sealing = await newSealing(plan.save, passwords, old?.key)
  io.stdout.write('Generating account configuration ...\n')
  const account = await login(fields, plan.login, gen)
  if (account !== undefined) await saveAccount(account, sealing, gen)
}

/** The account of that name, opened; undefined if there is no file for it. */
export async function existingAccount(
  name: string,
  passwords: PasswordAccess,
): Promise<UnlockedAccount | undefined> {
  if ((await findConfigDirectory(passwords.io.env)) === undefined) return undefined
  const directory = await accountDirectory(passwords.io)
  if (!(await directory.has(name))) return undefined
  return unlockAccount(name, await directory.read(name), passwords)
}

/** The account as the plan wants it, on top of what its file (`old`) and the file of -f have. */
async function configured(
  name: string,
  old: JsonObject,
  plan: ConfigurePlan | OnlyTokenPlan,
  { io, host, agent, prompter, passwords }: GenIo,
): Promise<JsonObject> {
  const { extension, required } = plan.members
  const file = plan.file === undefined ? {} : await readConfiguration(plan.file, passwords)
  const stored = { ...old, ...file }
  await checkExtensionFields({ ...stored, ...extension }, required)
  const known = await readKnownIssuers(await findConfigDirectory(io.env), host.systemDirectory)
  const givenIssuer =
    plan.provider.issuer ?? fieldText(stored, 'issuer_url') ?? fieldText(stored, 'issuer')
  const issuer = await chooseIssuer(name, givenIssuer, known, prompter)
  const provider = providerConfig(issuer, plan.provider, stored)
  const authMethod = fieldText({ ...old, ...extension }, 'token_endpoint_auth_method')
  const sources = { file, stored: old, authMethod }
  const client = await existingClient(plan.client, issuer, sources, prompter)
  const scope = await chooseScope(
    provider,
    plan.scopes,
    { fromFile: scopeIn(file), stored: scopeIn(old), client: 'given' },
    { agent, prompter, stderr: io.stderr },
  )
  const redirect_uris = await chooseRedirectUris(plan.members, stored, prompter)

  const basis = { name, hostName: host.hostName, issuer, provider, scope }
  return { ...changedAccountJson(basis, plan, stored), redirect_uris, ...client }
}

function scopeIn(fields: JsonObject): string | undefined {
  return fieldText(fields, 'auth_scope') ?? fieldText(fields, 'scope')
}

/** The members of an account for a client that exists. */
async function existingClient(
  plan: GivenClientPlan,
  issuer: ChosenIssuer,
  sources: ClientSources,
  prompter: Prompter,
): Promise<JsonObject> {
  if (plan.kind === 'public') return publicClient(issuer)
  const { file, stored } = sources
  const isNamed = file['client_id'] !== undefined || stored['client_id'] !== undefined
  const isPublic = plan.orPublic && !isNamed && issuer.known?.publicClient !== undefined
  return isPublic ? publicClient(issuer) : givenClient(plan, sources, prompter)
}

/**
 * `--reauthenticate`: a new login with the same client. The file keeps its password.
 * @throws AgentError `unknown-account`; what a step failed with
 */
export async function reauthenticate(plan: ReauthenticatePlan, gen: GenIo): Promise<void> {
  const { io, agent, passwords } = gen
  await callAgent(agent, { request: 'check' })
  const directory = await accountDirectory(io)
  if (!(await directory.has(plan.account))) throw noSuchAccount()
  const text = await directory.read(plan.account)
  const { fields, key } = await unlockAccount(plan.account, text, passwords)
  io.stdout.write('Generating account configuration ...\n')
  const { refreshToken } = plan.login.credentials
  const given = refreshToken === undefined ? {} : { refresh_token: refreshToken }
  // The scopes granted at the last login need not be those of this one.
  const fresh = { ...fields, refresh_scope: '', ...given }
  const account = await login(fresh, plan.login, gen)
  if (account !== undefined) await saveAccount(account, sameSealing(plan.save, key), gen)
}

/**
 * `--only-at`: logs in for one access token and prints it. Saves no account.
 * @throws AgentError what a step failed with
 */
export async function printOnlyToken(plan: OnlyTokenPlan, gen: GenIo): Promise<void> {
  const { io, agent, passwords } = gen
  await callAgent(agent, { request: 'check' })
  const { account } = plan
  const stored = account === undefined ? undefined : await existingAccount(account, passwords)
  const fields = await configured(account ?? 'only-at', stored?.fields ?? {}, plan, gen)
  const token = await loginForToken(fields, plan.login, gen)
  if (token !== undefined) io.stdout.write(`${printable('access token', token)}\n`)
}
