import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { accountOf } from '../../protocol/storage/account.ts'
import { AccountDirectory, commandWait } from '../../protocol/storage/account-directory.ts'
import { type FileKey, newFileKey, sealAccountFile } from '../../protocol/storage/account-file.ts'
import { createConfigDirectory } from '../../protocol/storage/config-directory.ts'
import { addIssuerAccount } from '../../protocol/storage/issuer-config-writer.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import {
  addRequest,
  type PasswordAccess,
  passwordEntry,
  sourcedPassword,
  storesPassword,
} from '../passwords.ts'
import type { Io } from '../run.ts'
import type { Terminal } from '../terminal.ts'
import type { GenHost } from './host.ts'
import type { SavePlan } from './plan.ts'
import type { Prompter } from './prompter.ts'

/** How an account's file is sealed. It is settled before the login. */
export type Sealing =
  /** No file is written. */
  | { readonly kind: 'none' }
  /** A new file. */
  | { readonly kind: 'new'; readonly password: NewPassword }
  /** A file that exists: the person may keep its password. */
  | { readonly kind: 'changed'; readonly password: NewPassword; readonly key: FileKey }
  /** A file that exists and keeps its password. */
  | { readonly kind: 'same'; readonly key: FileKey }

/** The password of a new file, as far as it is known before the login. */
type NewPassword = { readonly kind: 'given'; readonly password: string } | { readonly kind: 'ask' }

/**
 * The sealing of a new or changed account: with a password from a source, else from the person. Call it
 * before the login: an account without a password cannot be saved after the login.
 * @param key of the account that is changed
 * @throws AgentError `no-terminal` if no source has a password and the person cannot be asked
 */
export async function newSealing(
  save: SavePlan,
  { sources, io, terminal }: PasswordAccess,
  key?: FileKey,
): Promise<Sealing> {
  if (save === 'agent-only') return { kind: 'none' }
  const warn = (line: string): void => void io.stderr.write(`${line}\n`)
  const given = await sourcedPassword(sources, {
    env: io.env,
    hideMemory: io.hideMemory,
    warn,
  })
  // Opens the terminal now, so that a failure comes before the login.
  if (given === undefined) terminal()
  const password: NewPassword =
    given === undefined ? { kind: 'ask' } : { kind: 'given', password: given }
  return key === undefined ? { kind: 'new', password } : { kind: 'changed', password, key }
}

/** The sealing that keeps the file's password. */
export function sameSealing(save: SavePlan, key: FileKey): Sealing {
  return save === 'agent-only' ? { kind: 'none' } : { kind: 'same', key }
}

/** What saving takes beside the account. */
interface Saving {
  readonly io: Io
  /** Gets the key of the file, to save refresh tokens that rotate. */
  readonly agent: AgentAddress | undefined
  readonly host: Pick<GenHost, 'systemDirectory'>
  readonly prompter: Prompter
  readonly passwords: PasswordAccess
  readonly explain: (line: string) => void
}

interface Sealed {
  readonly key: FileKey
  /** Undefined if the file keeps its password. */
  readonly password: string | undefined
}

/**
 * Saves an account that the agent has loaded, and lets the agent keep the file up to date.
 * @throws AgentError why the account is not saved, with what to do next
 */
export async function saveAccount(
  fields: JsonObject,
  sealing: Sealing,
  saving: Saving,
): Promise<void> {
  if (sealing.kind !== 'none') {
    const { name } = accountOf(fields)
    try {
      const sealed = await sealedWith(name, sealing, saving.passwords.terminal)
      await writeUntilSaved(name, await sealAccountFile(fields, sealed.key), saving)
      await introduceFile(fields, sealed, saving)
    } catch (error) {
      throw error instanceof AgentError ? unsaved(name, sealing.kind, error) : error
    }
  }
  saving.io.stdout.write('Everything setup correctly!\n')
}

async function sealedWith(
  name: string,
  sealing: Exclude<Sealing, { kind: 'none' }>,
  terminal: () => Terminal,
): Promise<Sealed> {
  if (sealing.kind === 'same') return { key: sealing.key, password: undefined }
  const password =
    sealing.password.kind === 'given'
      ? sealing.password.password
      : await askNewPassword(name, terminal(), sealing.kind === 'changed')
  if (sealing.kind === 'changed' && password === '')
    return { key: sealing.key, password: undefined }
  return { key: await newFileKey(password), password }
}

/** The refresh token exists only here and in the agent, so the person may try again after a failure. */
async function writeUntilSaved(
  name: string,
  text: string,
  { io, prompter, explain }: Saving,
): Promise<void> {
  for (;;) {
    try {
      const directory = new AccountDirectory(await createConfigDirectory(io.env))
      await directory.locked(name, commandWait(), async ({ state }) => {
        await directory.write(name, text)
        // Of the login before.
        if (state === 'held') await directory.removeLeftovers(name)
      })
      explain(`saved in ${directory.path}`)
      return
    } catch (error) {
      if (!(error instanceof AgentError) || !prompter.mayConfirm) throw error
      io.stderr.write(`Error: ${error.message}\n`)
      if (!(await isToBeTriedAgain(prompter))) throw error
    }
  }
}

/** Without an answer: no. The error that led to the question is reported then. */
async function isToBeTriedAgain(prompter: Prompter): Promise<boolean> {
  try {
    return (await prompter.confirm('Do you want to try to save it again?', 'yes')) === 'yes'
  } catch {
    return false
  }
}

/**
 * Gives the agent the key of the file, and issuer.config the name of the account. The account works
 * without either, so a failure is only a warning.
 */
async function introduceFile(fields: JsonObject, sealed: Sealed, saving: Saving): Promise<void> {
  const { io } = saving
  const { name, issuer } = accountOf(fields)
  const warn = (error: unknown): void => {
    if (!(error instanceof AgentError)) throw error
    const { message, hint } = error
    const lines = [`Warning: account ${name} is saved, but: ${message}`, hint ?? []].flat()
    io.stderr.write(`${lines.join('\n')}\n`)
  }
  await introduceToAgent(fields, sealed, saving).catch(warn)
  await addIssuerAccount(await createConfigDirectory(io.env), issuer, name).catch(warn)
}

/** With the key, the agent saves refresh tokens that rotate. */
async function introduceToAgent(
  fields: JsonObject,
  { key, password }: Sealed,
  { io, agent, host, passwords: { sources } }: Saving,
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

function unsaved(name: string, kind: Sealing['kind'], error: AgentError): AgentError {
  const next =
    kind === 'new'
      ? `\t$ oidc-add -r ${shellQuote(name)}\nand repeat the oidc-gen command.`
      : `\t$ oidc-gen --reauthenticate ${shellQuote(name)}`
  const hint = [
    ...(error.hint === undefined ? [] : [error.hint]),
    `Account ${name} is loaded in the agent and works as long as the agent runs, but it is not saved. To save it after correcting the error, run`,
    next,
  ].join('\n')
  return new AgentError(error.code, error.message, { hint, cause: error })
}

/** Asks for a new password until it is entered twice the same. With `mayKeep`, '' keeps the old one. */
async function askNewPassword(
  account: string,
  terminal: Terminal,
  mayKeep: boolean,
): Promise<string> {
  const question = `Enter encryption password for account configuration '${account}'`
  for (;;) {
    const password = await terminal.askSecret(mayKeep ? `${question} [***]` : question)
    if (password === '' && mayKeep) return ''
    if (password === '') {
      terminal.say('The password must not be empty.')
    } else if ((await terminal.askSecret('Confirm encryption password')) === password) {
      return password
    } else {
      terminal.say('Encryption passwords did not match.')
    }
  }
}
