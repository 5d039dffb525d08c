import { callAgent } from '../../protocol/client/call.ts'
import { accountOf } from '../../protocol/storage/account.ts'
import { AccountDirectory } from '../../protocol/storage/account-directory.ts'
import { type FileKey, newFileKey, sealAccountFile } from '../../protocol/storage/account-file.ts'
import { createConfigDirectory } from '../../protocol/storage/config-directory.ts'
import { addIssuerAccount } from '../../protocol/storage/issuer-config-writer.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import { addRequest, passwordEntry, sourcedPassword, storesPassword } from '../passwords.ts'
import type { Io } from '../run.ts'
import type { GenContext } from './context.ts'
import type { GenOptions } from './options.ts'

/** What an account's file is sealed with. */
export type Sealing =
  | { readonly kind: 'new'; readonly password: PlannedPassword }
  /** A file that exists: its password may stay. */
  | { readonly kind: 'changed'; readonly password: PlannedPassword; readonly key: FileKey }
  | { readonly kind: 'same'; readonly key: FileKey }

interface Sealed {
  readonly key: FileKey
  /** Known if it was not kept. */
  readonly password: string | undefined
}

/** Saves an account that the agent has loaded, and lets the agent keep the file up to date. */
export async function saveAccount(
  fields: JsonObject,
  sealing: Sealing,
  context: GenContext,
): Promise<void> {
  const { io, options } = context
  const { name } = accountOf(fields)
  if (!options.noSave) {
    try {
      const sealed = await sealedWith(name, sealing, context)
      await writeUntilSaved(name, fields, sealed.key, context)
      await introduceFile(fields, sealed, context)
    } catch (error) {
      throw error instanceof AgentError ? unsaved(name, sealing, error) : error
    }
  }
  io.stdout.write('Everything setup correctly!\n')
}

async function sealedWith(name: string, sealing: Sealing, context: GenContext): Promise<Sealed> {
  if (sealing.kind === 'same') return { key: sealing.key, password: undefined }
  const password =
    sealing.password.kind === 'given'
      ? sealing.password.password
      : await askNewPassword(name, context, sealing.kind === 'new' ? 'none' : 'may be kept')
  if (password !== undefined) return { key: await newFileKey(password), password }
  if (sealing.kind === 'changed') return { key: sealing.key, password }
  throw new TypeError('a new account has a new password')
}

/** The refresh token exists only here and in the agent, so the person may mend what is wrong. */
async function writeUntilSaved(
  name: string,
  fields: JsonObject,
  key: FileKey,
  { io, prompter, options, explain }: GenContext,
): Promise<void> {
  for (;;) {
    try {
      const directory = new AccountDirectory(createConfigDirectory(io.env))
      await directory.write(name, await sealAccountFile(fields, key))
      explain(`saved in ${directory.path}`)
      return
    } catch (error) {
      const automatic = options.prompt === 'none' || options.confirmYes || options.confirmDefault
      if (!(error instanceof AgentError) || automatic) throw error
      io.stderr.write(`Error: ${error.message}\n`)
      const again = await orUnanswered(
        prompter.confirm('Do you want to try to save it again?', 'yes'),
        error,
      )
      if (again !== 'yes') throw error
    }
  }
}

/** Where nobody can answer the question, the error that led to it is the one to tell. */
async function orUnanswered<T>(answer: Promise<T>, error: AgentError): Promise<T> {
  try {
    return await answer
  } catch {
    throw error
  }
}

/** Tells the agent and issuer.config of the file; the account is good without, and each without the other. */
async function introduceFile(
  fields: JsonObject,
  sealed: Sealed,
  context: GenContext,
): Promise<void> {
  const { io } = context
  const { name, issuer } = accountOf(fields)
  const warn = (error: unknown): void => {
    if (!(error instanceof AgentError)) throw error
    const { message, hint } = error
    const lines = [`Warning: account ${name} is saved, but: ${message}`, hint ?? []].flat()
    io.stderr.write(`${lines.join('\n')}\n`)
  }
  await introduceToAgent(fields, sealed, context).catch(warn)
  await addIssuerAccount(createConfigDirectory(io.env), issuer, name).catch(warn)
}

/** With the key the agent saves refresh tokens that rotate. */
async function introduceToAgent(
  fields: JsonObject,
  { key, password }: Sealed,
  { io, agent, sources, host }: GenContext,
): Promise<void> {
  const { name, issuer } = accountOf(fields)
  const isKept =
    sources.variable !== undefined || (await storesPassword(issuer, io.env, host.systemDirectory))
  const keep = isKept && password !== undefined ? { password, seconds: 0 } : undefined
  await callAgent(
    agent,
    addRequest(
      { fields, key, password: password ?? '' },
      { pw_entry: passwordEntry(name, sources, keep, io.now), plain_add: true },
    ),
  )
}

function unsaved(name: string, { kind }: Sealing, error: AgentError): AgentError {
  const next =
    kind === 'new'
      ? `\t$ oidc-add -r ${shellQuote(name)}\nand make it again.`
      : `\t$ oidc-gen --reauthenticate ${shellQuote(name)}`
  const hint = [
    ...(error.hint === undefined ? [] : [error.hint]),
    `Account ${name} is loaded in the agent and works as long as the agent runs, but it is not saved. Once it can be, run`,
    next,
  ].join('\n')
  return new AgentError(error.code, error.message, { hint, cause: error })
}

/** The password a new file is to have, as far as it is known before the login. */
export type PlannedPassword =
  | { readonly kind: 'given'; readonly password: string }
  | { readonly kind: 'ask' }

/**
 * Where the password will come from. It is settled before the login, after which there would be an
 * account that nobody can save.
 * @throws AgentError `no-terminal` where there is neither a source nor somebody to ask.
 */
export async function plannedPassword({
  sources,
  io,
  prompter,
}: GenContext): Promise<PlannedPassword> {
  const warn = (line: string): void => void io.stderr.write(`${line}\n`)
  const password = await sourcedPassword(sources, { env: io.env, warn })
  if (password !== undefined) return { kind: 'given', password }
  // Opened now, to fail now.
  prompter.passwords()
  return { kind: 'ask' }
}

/** Asks for a new password until it was entered twice the same; undefined: keep the old one. */
async function askNewPassword(
  account: string,
  { prompter }: GenContext,
  old: 'may be kept' | 'none',
): Promise<string | undefined> {
  const terminal = prompter.passwords()
  const question = `Enter encryption password for account configuration '${account}'`
  for (;;) {
    const password = await terminal.askSecret(old === 'none' ? question : `${question} [***]`)
    if (password === '' && old !== 'none') return undefined
    if (password === '') {
      terminal.say('The password must not be empty.')
    } else if ((await terminal.askSecret('Confirm encryption password')) === password) {
      return password
    } else {
      terminal.say('Encryption passwords did not match.')
    }
  }
}

/**
 * The refresh token from --rt or --rt-env.
 * @throws AgentError `bad-request` where the variable is not set.
 */
export function givenRefreshToken(
  { refreshToken, refreshTokenEnv }: GenOptions,
  env: Io['env'],
): string | undefined {
  if (refreshToken !== undefined || refreshTokenEnv === undefined) return refreshToken
  const name = refreshTokenEnv === true ? 'OIDC_REFRESH_TOKEN' : refreshTokenEnv
  const token = env[name]
  if (token === undefined || token === '') throw new AgentError('bad-request', `${name} not set!`)
  return token
}
