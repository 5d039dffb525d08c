import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { unwritable } from '../../protocol/system-error.ts'
import type { Io } from '../run.ts'

/**
 * Does `work` with a new directory that is only ours, mode 0700, and removes it with all that is in it.
 * @throws AgentError `file-unwritable`
 */
export async function withPrivateDirectory<T>(
  env: Io['env'],
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const parent = [env['XDG_RUNTIME_DIR'], env['TMPDIR'], '/tmp'].find(Boolean) ?? '/tmp'
  const directory = await mkdtemp(join(parent, 'oidc-tokensh-')).catch((error: unknown) => {
    throw unwritable(parent, error)
  })
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
