import { accountOf } from '../../protocol/account.ts'
import { AccountDirectory } from '../../protocol/account-directory.ts'
import { sealAccountFile } from '../../protocol/account-file.ts'
import { callAgent } from '../../protocol/client.ts'
import { createConfigDirectory } from '../../protocol/config-directory.ts'
import { AgentError } from '../../protocol/errors.ts'
import { type FileKey, newFileKey } from '../../protocol/file-key.ts'
import { addIssuerAccount } from '../../protocol/issuer-accounts.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { shellQuote } from '../../protocol/shell-word.ts'
import { addRequest } from '../load-account.ts'
import { passwordEntry } from '../password-source.ts'
import { storesPassword } from '../stores-password.ts'
import { askNewPassword, type PlannedPassword } from './encryption-password.ts'
import type { GenContext } from './setting.ts'

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
