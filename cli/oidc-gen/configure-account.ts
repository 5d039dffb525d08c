import { AccountDirectory, checkAccountName } from '../../protocol/account-directory.ts'
import { callAgent } from '../../protocol/client.ts'
import { findConfigDirectory } from '../../protocol/config-directory.ts'
import { readKnownIssuers } from '../../protocol/issuer-config.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { type UnlockedAccount, unlockAccount } from '../unlock-account.ts'
import { fieldText } from './account-field.ts'
import { type ChosenIssuer, chooseIssuer } from './choose-issuer.ts'
import { askName } from './choose-name.ts'
import { chooseRedirectUris } from './choose-redirect-uris.ts'
import { chooseScope } from './choose-scope.ts'
import { newAccountJson, type ProviderConfig, providerConfig } from './draft.ts'
import { plannedPassword } from './encryption-password.ts'
import { givenClient } from './given-client.ts'
import { login } from './login.ts'
import { checkExtensionFields, extensionFields } from './own-fields.ts'
import { publicClient } from './public-client.ts'
import { readConfiguration } from './read-configuration.ts'
import { type Sealing, saveAccount } from './save-account.ts'
import { type GenContext, passwordWays } from './setting.ts'

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
export async function configured(
  name: string,
  old: JsonObject,
  context: GenContext,
): Promise<JsonObject> {
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
