import type { JsonObject } from '../../protocol/messages.ts'
import { fieldText } from './account-field.ts'
import type { GenContext } from './setting.ts'

const usernameQuestion = {
  label: 'username',
  option: 'op-username',
  question: 'Username',
} as const
const passwordQuestion = {
  label: 'password',
  option: 'op-password',
  question: 'Password',
} as const

/**
 * The account with the person's name and password at the provider, where the flow `password` is the
 * first choice (RFC 6749 §4.3); what no option gives is asked for. The agent keeps neither.
 */
export async function withCredentials(
  fields: JsonObject,
  flows: readonly string[],
  { options, prompter, io }: GenContext,
): Promise<JsonObject> {
  if (options.password !== undefined) {
    io.stderr.write(
      'Warning: --op-password could be seen by other users of this machine while oidc-gen started. Leave it out to be asked for it.\n',
    )
  }
  if (flows[0] !== 'password') return fields
  const username =
    options.username ?? fieldText(fields, 'username') ?? (await prompter.ask(usernameQuestion))
  const password =
    options.password ??
    fieldText(fields, 'password') ??
    (await prompter.askSecret(passwordQuestion))
  return { ...fields, username, password }
}
