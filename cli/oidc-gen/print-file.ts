import { printedAccount } from '../print-account.ts'
import { unlockAccount } from '../unlock-account.ts'
import { namedFile } from './named-file.ts'
import { type GenSetting, passwordWays } from './setting.ts'

/** `-p`: prints what a file holds, secrets and all. */
export async function printFile(file: string, setting: GenSetting): Promise<void> {
  const named = namedFile(file, setting.io.env)
  const { fields } = await unlockAccount(named.name, await named.read(), passwordWays(setting))
  setting.io.stdout.write(`${printedAccount(fields)}\n`)
}
