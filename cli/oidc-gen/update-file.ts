import { sealAccountFile } from '../../protocol/account-file.ts'
import { unlockAccount } from '../unlock-account.ts'
import { namedFile } from './named-file.ts'
import { type GenContext, passwordWays } from './setting.ts'

/** `-u`: seals a file anew, in the current format and with the same password. */
export async function updateFile(file: string, context: GenContext): Promise<void> {
  const named = namedFile(file, context.io.env)
  const { fields, key } = await unlockAccount(named.name, await named.read(), passwordWays(context))
  await named.write(await sealAccountFile(fields, key))
  context.io.stdout.write('Updated config file format\n')
}
