import { callAgent } from '../../protocol/client.ts'
import { AgentError } from '../../protocol/errors.ts'
import { removeIssuerAccount } from '../../protocol/issuer-accounts.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { accountDirectory } from '../list-accounts.ts'
import { unlockAccount } from '../unlock-account.ts'
import { fieldText } from './account-field.ts'
import { type GenSetting, passwordWays } from './setting.ts'

/** What became of the account at its provider. */
type AtProvider = 'client deleted' | 'token revoked' | 'left as it is' | 'kept: do not delete'

/** `-d`: deletes an account's client or revokes its token, unloads it, and removes its file. */
export async function deleteAccount(name: string, setting: GenSetting): Promise<void> {
  const { agent, io, asker } = setting
  await callAgent(agent, { request: 'check' })
  const directory = accountDirectory(io.env)
  if (!(await directory.has(name))) {
    throw new AgentError('unknown-account', 'No account with that shortname configured')
  }
  const text = await directory.read(name)
  const { fields } = await unlockAccount(name, text, passwordWays(setting))
  const sure = await asker.confirm('Do you really want to delete this configuration?', 'no')
  if (sure !== 'yes') return

  const outcome = await forgetAtProvider(fields, setting)
  if (outcome === 'kept: do not delete') return
  // `delete` has unloaded it already.
  if (outcome !== 'token revoked') await unload(name, setting)
  io.stdout.write(
    "The generated account was successfully removed from oidc-agent. You don't have to run oidc-add.\n",
  )
  await directory.remove(name)
  await removeIssuerAccount(directory.path, name)
  io.stdout.write('Successfully deleted account configuration.\n')
}

async function forgetAtProvider(fields: JsonObject, setting: GenSetting): Promise<AtProvider> {
  const client = await deleteClient(fields, setting)
  if (client !== 'not deleted') return client
  const { agent, io, asker } = setting
  try {
    await callAgent(agent, { request: 'delete', config: fields })
    return 'token revoked'
  } catch (error) {
    if (!(error instanceof AgentError) || isAboutAgent(error)) throw error
    io.stderr.write(`Error: ${error.message}\n`)
  }
  const anyway = await asker.confirm(
    'Do you want to unload and delete anyway. You then have to revoke the refresh token manually.',
    'no',
  )
  if (anyway !== 'yes') {
    io.stderr.write(
      'The account was not removed from oidc-agent due to the above listed error. You can fix the error and try it again.\n',
    )
    return 'kept: do not delete'
  }
  io.stdout.write(
    `Please revoke the refresh token '${fieldText(fields, 'refresh_token') ?? ''}' manually!\n`,
  )
  return 'left as it is'
}

/** Deletes a client that was registered for this account alone, if the person wants it. */
async function deleteClient(
  fields: JsonObject,
  { agent, io, asker }: GenSetting,
): Promise<'client deleted' | 'not deleted' | 'kept: do not delete'> {
  const uri = fieldText(fields, 'registration_client_uri')
  const token = fieldText(fields, 'registration_access_token')
  if (uri === undefined || token === undefined) return 'not deleted'
  const answer = await asker.confirm(
    'The used OIDC client was dynamically registered by oidc-agent. Should this client be automatically deleted?',
    'yes',
  )
  if (answer === 'quit') return 'kept: do not delete'
  if (answer === 'no') return 'not deleted'
  try {
    await callAgent(agent, {
      request: 'delete_client',
      registration_client_uri: uri,
      registration_access_token: token,
      cert_path: fieldText(fields, 'cert_path'),
    })
    io.stdout.write('Deleted oidc client.\n')
    return 'client deleted'
  } catch (error) {
    if (!(error instanceof AgentError) || isAboutAgent(error)) throw error
    // At least the token is to be worth nothing.
    io.stderr.write(`Error: ${error.message}\n`)
    return 'not deleted'
  }
}

async function unload(account: string, { agent }: GenSetting): Promise<void> {
  try {
    await callAgent(agent, { request: 'remove', account })
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'account-not-loaded') throw error
  }
}

function isAboutAgent({ code }: AgentError): boolean {
  return code === 'agent-unreachable' || code === 'agent-timeout' || code === 'agent-locked'
}
