import { words } from '../../protocol/account.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { fieldText, fieldTexts } from './account-field.ts'
import { wantedFlows } from './login.ts'
import type { GenSetting } from './setting.ts'

/**
 * The account with a client that was registered beforehand: as given, else asked for, with what
 * `stored` has as the default.
 */
export async function withGivenClient(
  draft: JsonObject,
  stored: JsonObject,
  setting: GenSetting,
): Promise<JsonObject> {
  const { options, asker } = setting
  const storedId = fieldText(stored, 'client_id')
  const client_id = options.clientId ?? (await asker.ask(wantedId, storedId))
  const client_secret = await clientSecret(stored, setting)
  const redirect_uris = await chosenRedirectUris(draft, stored, setting)
  // A client of the person's own, or one that is public, which sends its id in another place.
  const uses_pub_client = options.pub ? 1 : 0
  return { ...draft, client_id, client_secret, uses_pub_client, redirect_uris }
}

const wantedId = { label: 'client id', option: 'client-id', question: 'Client id' } as const
const wantedSecret = {
  label: 'client secret',
  option: 'client-secret',
  question: "Client secret (for a client without one, use --client-secret='')",
} as const
const wantedUris = {
  label: 'redirect uri',
  option: 'redirect-uri',
  question: 'Redirect_uris (space separated)',
} as const

async function clientSecret(stored: JsonObject, { options, asker }: GenSetting): Promise<string> {
  if (options.clientSecret !== undefined) return options.clientSecret
  // A public client is one that cannot keep a secret.
  if (options.pub) return ''
  // An account that has a client without secret is not asked for one again.
  if (fieldText(stored, 'client_id') !== undefined && stored['client_secret'] === '') return ''
  return await asker.askSecret(wantedSecret, fieldText(stored, 'client_secret'))
}

/** Redirect URIs matter to the flow `code` only. */
async function chosenRedirectUris(
  draft: JsonObject,
  stored: JsonObject,
  setting: GenSetting,
): Promise<readonly string[]> {
  const given = fieldTexts(draft, 'redirect_uris')
  if (given.length > 0) return given
  const before = fieldTexts(stored, 'redirect_uris')
  if (wantedFlows(setting)[0] !== 'code') return before
  return words(await setting.asker.ask(wantedUris, before.join(' ') || undefined))
}
