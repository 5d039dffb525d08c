import { type AgentAddress, callAgent } from '../../protocol/client/call.ts'
import { commandWait } from '../../protocol/storage/account-directory.ts'
import { removeIssuerAccount } from '../../protocol/storage/issuer-config-writer.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import { accountDirectory } from '../account-directory.ts'
import { type PasswordAccess, unlockAccount } from '../passwords.ts'
import type { Io } from '../run.ts'
import { clientDeletion } from './client-registration.ts'
import { unloadAccount } from './login.ts'
import type { Answer, Prompter } from './prompter.ts'

/** What deleting takes beside the account's name. */
interface Deletion {
  readonly agent: AgentAddress | undefined
  readonly io: Io
  readonly prompter: Prompter
  readonly passwords: PasswordAccess
}

/**
 * `-d`: revokes an account's refresh token, deletes the client that was registered for it, unloads it,
 * and removes its file.
 * @throws AgentError `unknown-account`; `no-terminal`; what the agent replied about itself
 */
export async function deleteAccount(name: string, deletion: Deletion): Promise<void> {
  const { agent, io, prompter, passwords } = deletion
  await callAgent(agent, { request: 'check' })
  const directory = await accountDirectory(io)
  if (!(await directory.has(name))) {
    throw new AgentError('unknown-account', 'No account with that shortname configured', {
      hint: 'To list the accounts: oidc-gen -l',
    })
  }
  const text = await directory.read(name)
  const { fields } = await unlockAccount(name, text, passwords)
  const sure = await prompter.confirm('Do you really want to delete this configuration?', 'no')
  if (sure !== 'yes') {
    io.stderr.write('Nothing was deleted.\n')
    return
  }

  if (!(await forgetAtProvider(name, fields, deletion))) return
  await unloadAccount(name, agent)
  io.stdout.write(
    "The generated account was successfully removed from oidc-agent. You don't have to run oidc-add.\n",
  )
  await directory.locked(name, commandWait(), () => directory.remove(name))
  await removeIssuerAccount(directory.path, name)
  io.stdout.write('Successfully deleted account configuration.\n')
}

/**
 * Revokes the refresh token and deletes the client, as far as the person wants it. Returns whether the
 * account may be deleted then.
 */
async function forgetAtProvider(
  name: string,
  fields: JsonObject,
  { agent, io, prompter }: Deletion,
): Promise<boolean> {
  const choice = await clientDeletionChoice(fields, prompter)
  if (choice === 'quit') return false
  // Before the client is deleted: revoking needs it.
  const failure = await revoked(fields, agent)
  const isDeleted = choice === 'yes' && (await deleteClient(fields, agent, io))
  // The tokens of a deleted client are invalid.
  if (failure === undefined || isDeleted) return true
  return await mayDeleteAnyway(failure, name, { io, prompter })
}

/** Whether the client that was registered for this account is to be deleted with it. */
async function clientDeletionChoice(fields: JsonObject, prompter: Prompter): Promise<Answer> {
  if (clientDeletion(fields) === undefined) return 'no'
  return prompter.confirm(
    'The used OIDC client was dynamically registered by oidc-agent. Should this client be automatically deleted?',
    'yes',
  )
}

/** Revokes the refresh token; returns why that failed at the provider. */
async function revoked(
  fields: JsonObject,
  agent: AgentAddress | undefined,
): Promise<AgentError | undefined> {
  try {
    await callAgent(agent, { request: 'delete', config: fields })
    return undefined
  } catch (error) {
    if (!(error instanceof AgentError) || isAboutAgent(error)) throw error
    return error
  }
}

/** The C program prints the refresh token here. Ours does not: the person can print the file first. */
async function mayDeleteAnyway(
  failure: AgentError,
  name: string,
  { io, prompter }: Pick<Deletion, 'io' | 'prompter'>,
): Promise<boolean> {
  io.stderr.write(
    `Error: ${failure.message}\nTo revoke the refresh token yourself, print it first with\n\t$ oidc-gen -p ${shellQuote(name)}\n`,
  )
  const anyway = await prompter.confirm(
    'Delete it anyway? You must then revoke the refresh token yourself.',
    'no',
  )
  if (anyway === 'yes') return true
  io.stderr.write(
    'The account was not removed from oidc-agent due to the above listed error. You can fix the error and try it again.\n',
  )
  return false
}

/** Deletes the client (RFC 7592 §2.3); returns whether that succeeded, and reports why not. */
async function deleteClient(
  fields: JsonObject,
  agent: AgentAddress | undefined,
  io: Io,
): Promise<boolean> {
  const request = clientDeletion(fields)
  if (request === undefined) return false
  try {
    await callAgent(agent, request)
    io.stdout.write('Deleted oidc client.\n')
    return true
  } catch (error) {
    if (!(error instanceof AgentError) || isAboutAgent(error)) throw error
    io.stderr.write(`Error: ${error.message}\n`)
    return false
  }
}

function isAboutAgent({ code }: AgentError): boolean {
  return code === 'agent-unreachable' || code === 'agent-timeout' || code === 'agent-locked'
}
