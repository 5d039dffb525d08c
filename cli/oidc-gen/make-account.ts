import { callAgent } from '../../protocol/client/call.ts'
import type { ProviderConfig } from '../../protocol/storage/account.ts'
import { AccountDirectory, checkAccountName } from '../../protocol/storage/account-directory.ts'
import { findConfigDirectory } from '../../protocol/storage/config-directory.ts'
import { readKnownIssuers } from '../../protocol/storage/issuer-config.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { accountDirectory } from '../account-directory.ts'
import { type UnlockedAccount, unlockAccount } from '../passwords.ts'
import { printable } from '../printing.ts'
import {
  type AccountPlan,
  checkExtensionFields,
  extensionFields,
  fieldText,
  newAccountJson,
  providerConfig,
} from './account-json.ts'
import { withdrawClient, withRegisteredClient } from './client-registration.ts'
import { type GenContext, passwordWays } from './context.ts'
import { type ChosenIssuer, chooseIssuer, publicClient } from './issuer.ts'
import { login, loginForToken } from './login.ts'
import { noSuchAccount, readConfiguration } from './manage-files.ts'
import { askName, chooseRedirectUris, givenClient, newAccountName } from './questions.ts'
import { plannedPassword, type Sealing, saveAccount } from './save-account.ts'
import { chooseScope } from './scopes.ts'

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

/**
 * Makes an account with a client that was registered beforehand, or changes an existing account: what
 * it has are the answers proposed then.
 */
export async function configureAccount(
  given: string | undefined,
  context: GenContext,
): Promise<void> {
  const { agent, io } = context
  await callAgent(agent, { request: 'check' })
  const name = given ?? (await askName(context))
  checkAccountName(name)
  const old = await existingAccount(name, context)
  if (old === undefined) {
    io.stdout.write('No account exists with this short name. Creating new configuration ...\n')
  }
  const fields = await configured(name, old?.fields ?? {}, context)
  const sealing = await sealingFor(old, context)
  io.stdout.write('Generating account configuration ...\n')
  const account = await login(fields, context)
  if (account !== undefined) await saveAccount(account, sealing, context)
}

/** The account of that name, opened, if there is one. */
export async function existingAccount(
  name: string,
  context: GenContext,
): Promise<UnlockedAccount | undefined> {
  const path = findConfigDirectory(context.io.env)
  if (path === undefined) return undefined
  const directory = new AccountDirectory(path)
  if (!(await directory.has(name))) return undefined
  return unlockAccount(name, await directory.read(name), passwordWays(context))
}

async function sealingFor(old: UnlockedAccount | undefined, context: GenContext): Promise<Sealing> {
  if (context.options.noSave) return { kind: 'new', password: { kind: 'ask' } }
  const password = await plannedPassword(context)
  if (old === undefined) return { kind: 'new', password }
  return { kind: 'changed', password, key: old.key }
}

/** The account as asked for, on top of what its file and the file of -f have. */
async function configured(name: string, old: JsonObject, context: GenContext): Promise<JsonObject> {
  const { io, host, options } = context
  const file = options.file === undefined ? {} : await readConfiguration(options.file, context)
  const stored = { ...old, ...file }
  await checkExtensionFields({ ...stored, ...extensionFields(options) }, options)
  const known = await readKnownIssuers(findConfigDirectory(io.env), host.systemDirectory)
  const storedIssuer = fieldText(stored, 'issuer_url') ?? fieldText(stored, 'issuer')
  const issuer = await chooseIssuer(name, known, context, storedIssuer)
  const place = placeWith(stored, providerConfig(issuer, context), context)
  const client = usesPublicClient(stored, issuer, context)
    ? publicClient(issuer)
    : await givenClient(file, old, context)
  const scope = await chooseScope(place, context, {
    given: scopeIn(file),
    proposed: scopeIn(old),
    client: 'given',
  })
  const redirect_uris = await chooseRedirectUris(stored, context)

  const draft = newAccountJson({ name, issuer, place, scope }, context)
  return {
    ...draft,
    ...filled(stored),
    ...decided(draft, context),
    ...extensionFields(options),
    redirect_uris,
    ...client,
  }
}

function scopeIn(fields: JsonObject): string | undefined {
  return fieldText(fields, 'auth_scope') ?? fieldText(fields, 'scope')
}

/** With --only-at, which registers no client, a public one also without --pub. */
function usesPublicClient(
  stored: JsonObject,
  { known }: ChosenIssuer,
  { options }: GenContext,
): boolean {
  if (options.clientId !== undefined) return false
  if (options.pub || stored['client_id'] !== undefined) return options.pub
  return options.onlyToken && !options.manual && known?.publicClient !== undefined
}

/** An option wins over what is stored, which wins over what the issuer files say. */
function placeWith(
  stored: JsonObject,
  place: ProviderConfig,
  { options }: GenContext,
): ProviderConfig {
  return {
    issuer: place.issuer,
    configEndpoint:
      options.configEndpoint ?? fieldText(stored, 'config_endpoint') ?? place.configEndpoint,
    certPath:
      options.certPath === undefined
        ? (fieldText(stored, 'cert_path') ?? place.certPath)
        : place.certPath,
  }
}

/** The members that say something. */
function filled(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}

/** The members of the draft that were decided now and replace what is stored. */
function decided(draft: JsonObject, { options }: GenContext): JsonObject {
  const keys = [
    'name',
    'issuer_url',
    'config_endpoint',
    'cert_path',
    'scope',
    'auth_scope',
    'refresh_scope',
  ]
  if (draft['refresh_token'] !== '') keys.push('refresh_token')
  if (options.clientName !== undefined) keys.push('client_name')
  if (options.audience !== undefined) keys.push('audience')
  if (options.deviceEndpoint !== undefined) {
    keys.push('device_authorization_endpoint', 'daeSetByUser')
  }
  return Object.fromEntries(Object.entries(draft).filter(([key]) => keys.includes(key)))
}

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

/** `--only-at`: a login for one access token; no account comes of it. */
export async function printOnlyToken(name: string | undefined, context: GenContext): Promise<void> {
  const { agent, io } = context
  await callAgent(agent, { request: 'check' })
  const stored = name === undefined ? undefined : await existingAccount(name, context)
  const fields = await configured(name ?? 'only-at', stored?.fields ?? {}, context)
  const token = await loginForToken(fields, context)
  if (token !== undefined) io.stdout.write(`${printable('access token', token)}\n`)
}
