import { words } from '../../protocol/account.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { fieldTexts } from './account-field.ts'
import { redirectUris } from './draft.ts'
import type { GenSetting } from './setting.ts'

const wanted = {
  label: 'redirect uri',
  option: 'redirect-uri',
  question: 'Redirect_uris (space separated)',
} as const

/** The redirect URIs of a client registered beforehand; the flow `code` alone cannot do without. */
export async function chooseRedirectUris(
  stored: JsonObject,
  setting: GenSetting,
): Promise<readonly string[]> {
  const given = redirectUris(setting)
  if (given.length > 0) return given
  const before = fieldTexts(stored, 'redirect_uris')
  if (setting.options.flow[0] !== 'code') return before
  return words(await setting.asker.ask(wanted, before.join(' ') || undefined))
}
