import { words } from '../../protocol/account.ts'
import type { JsonObject } from '../../protocol/messages.ts'
import { fieldTexts } from './account-field.ts'
import { redirectUris } from './draft.ts'
import type { GenContext } from './setting.ts'

const redirectUriQuestion = {
  label: 'redirect uri',
  option: 'redirect-uri',
  question: 'Redirect_uris (space separated)',
} as const

/** The redirect URIs of a client registered beforehand; the flow `code` alone cannot do without. */
export async function chooseRedirectUris(
  stored: JsonObject,
  context: GenContext,
): Promise<readonly string[]> {
  const given = redirectUris(context)
  if (given.length > 0) return given
  const before = fieldTexts(stored, 'redirect_uris')
  if (context.options.flow[0] !== 'code') return before
  return words(await context.prompter.ask(redirectUriQuestion, before.join(' ') || undefined))
}
