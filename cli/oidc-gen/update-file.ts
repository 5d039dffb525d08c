import { sealAccountFile } from '../../protocol/account-file.ts'
import { unlockAccount } from '../unlock-account.ts'
import { namedFile } from './named-file.ts'
import { type GenSetting, passwordWays } from './setting.ts'

/** `-u`: seals a file anew, in the current format and with the same password. */
export async function updateFile(file: string, setting: GenSetting): Promise<void> {
  const named = namedFile(file, setting.io.env)
  const { fields, key } = await unlockAccount(named.name, await named.read(), passwordWays(setting))
  await named.write(await sealAccountFile(fields, key))
  setting.io.stdout.write('Updated config file format\n')
}
