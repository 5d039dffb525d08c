import { sameIssuer } from '../protocol/account.ts'
import { findConfigDirectory } from '../protocol/config-directory.ts'
import { readKnownIssuers } from '../protocol/issuer-config.ts'
import type { Io } from './run.ts'

/** Whether the issuer files say that the agent keeps file passwords of an issuer (`pw-store`). */
export async function storesPassword(
  issuer: string,
  env: Io['env'],
  systemDirectory: string | undefined,
): Promise<boolean> {
  const known = await readKnownIssuers(findConfigDirectory(env), systemDirectory)
  return known.find((one) => sameIssuer(one.issuer, issuer))?.storePassword ?? false
}
