import { callAgent } from '../../protocol/client/call.ts'
import { removeIssuerAccount } from '../../protocol/storage/issuer-config-writer.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import { shellQuote } from '../../protocol/wire/text.ts'
import { accountDirectory } from '../account-directory.ts'
import { unlockAccount } from '../passwords.ts'
import { clientDeletion } from './client-registration.ts'
import { type GenContext, passwordWays } from './context.ts'
import { unloadAccount } from './login.ts'
import type { Answer } from './prompter.ts'

/**
 * `-d`: revokes an account's token, deletes its client where it was registered for it, unloads it,
 * and removes its file.
 */
export async function deleteAccount(name: string, context: GenContext): Promise<void> {
  const { agent, io, prompter } = context
  await callAgent(agent, { request: 'check' })
  const directory = accountDirectory(io.env)
  if (!(await directory.has(name))) {
    throw new AgentError('unknown-account', 'No account with that shortname configured', {
      hint: 'What there is shows: oidc-gen -l',
    })
  }
  const text = await directory.read(name)
  const { fields } = await unlockAccount(name, text, passwordWays(context))
  const sure = await prompter.confirm('Do you really want to delete this configuration?', 'no')
  if (sure !== 'yes') {
    io.stderr.write('Nothing was deleted.\n')
    return
  }

  if (!(await forgetAtProvider(name, fields, context))) return
  await unloadAccount(name, agent)
  io.stdout.write(
    "The generated account was successfully removed from oidc-agent. You don't have to run oidc-add.\n",
  )
  await directory.remove(name)
  await removeIssuerAccount(directory.path, name)
  io.stdout.write('Successfully deleted account configuration.\n')
}

/** Whether the account may go now. */
async function forgetAtProvider(
  name: string,
  fields: JsonObject,
  context: GenContext,
): Promise<boolean> {
  const choice = await clientDeletionChoice(fields, context)
  if (choice === 'quit') return false
  // Before the client goes, which it takes to revoke.
  const failure = await revoked(fields, context)
  const isDeleted = choice === 'yes' && (await deleteClient(fields, context))
  // Tokens do not outlive their client.
  if (failure === undefined || isDeleted) return true
  return await mayGoAnyway(failure, name, context)
}

/** Whether the client that was registered for this account alone is to go with it. */
async function clientDeletionChoice(fields: JsonObject, { prompter }: GenContext): Promise<Answer> {
  if (clientDeletion(fields) === undefined) return 'no'
  return prompter.confirm(
    'The used OIDC client was dynamically registered by oidc-agent. Should this client be automatically deleted?',
    'yes',
  )
}

/** Revokes the refresh token; what the provider has against it. */
async function revoked(fields: JsonObject, { agent }: GenContext): Promise<AgentError | undefined> {
  try {
    await callAgent(agent, { request: 'delete', config: fields })
    return undefined
  } catch (error) {
    if (!(error instanceof AgentError) || isAboutAgent(error)) throw error
    return error
  }
}

/** The C program prints the refresh token here; a file that is still there shows it to who asks. */
async function mayGoAnyway(
  failure: AgentError,
  name: string,
  { io, prompter }: GenContext,
): Promise<boolean> {
  io.stderr.write(
    `Error: ${failure.message}\nTo revoke the refresh token by hand, see it first with\n\t$ oidc-gen -p ${shellQuote(name)}\n`,
  )
  const anyway = await prompter.confirm(
    'Do you want to unload and delete anyway. You then have to revoke the refresh token manually.',
    'no',
  )
  if (anyway === 'yes') return true
  io.stderr.write(
    'The account was not removed from oidc-agent due to the above listed error. You can fix the error and try it again.\n',
  )
  return false
}

/** Whether the client is gone (RFC 7592 §2.3). */
async function deleteClient(fields: JsonObject, { agent, io }: GenContext): Promise<boolean> {
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
