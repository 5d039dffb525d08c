import { accountDirectory } from '../account-directory.ts'
import { passwordSources } from '../password-source.ts'
import { printedAccount } from '../print-account.ts'
import { unlockAccount } from '../unlock-account.ts'
import type { AddContext } from './setting.ts'

/** Prints what an account file holds, secrets and all. */
export async function printFile(
  account: string,
  { io, options, terminal }: AddContext,
): Promise<void> {
  const text = await accountDirectory(io.env).read(account)
  const ways = { sources: passwordSources(options), io, terminal }
  const { fields } = await unlockAccount(account, text, ways)
  io.stdout.write(`${printedAccount(fields)}\n`)
}
