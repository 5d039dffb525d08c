import { sourcedPassword } from '../password-source.ts'
import type { GenContext } from './setting.ts'

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
export async function askNewPassword(
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
