import { printedAccount } from '../print-account.ts'
import { unlockAccount } from '../unlock-account.ts'
import { namedFile } from './named-file.ts'
import { type GenContext, passwordWays } from './setting.ts'

/** `-p`: prints what a file holds, secrets and all. */
export async function printFile(file: string, context: GenContext): Promise<void> {
  const named = namedFile(file, context.io.env)
  const { fields } = await unlockAccount(named.name, await named.read(), passwordWays(context))
  context.io.stdout.write(`${printedAccount(fields)}\n`)
}
