import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { callAgent } from '../../protocol/client/call.ts'
import { openAccountFile } from '../../protocol/storage/account-file.ts'
import { encodeBase64 } from '../../protocol/wire/text.ts'
import { noPeerReason, runPeer, startPeerAgent } from '../support/c-peer.ts'
import { outputOf } from '../support/command.ts'
import type { Sandbox, SandboxAgent } from '../support/sandbox.ts'
import { fileKey, PASSWORD } from '../support/seed-account.ts'

/** An agent program under attack. */
export interface Contender {
  readonly isOurs: boolean
  start(sandbox: Sandbox): Promise<SandboxAgent>
  /** Loads an account from its file, with the file's key, as a person does after each start. */
  load(sandbox: Sandbox, agent: SandboxAgent, name: string): Promise<void>
}

export const ours: Contender = {
  isOurs: true,
  start: (sandbox) => sandbox.startAgent(),
  load: async (sandbox, { socketPath }, name) => {
    const key = await fileKey()
    const text = await readFile(join(sandbox.configDirectory, name), 'utf8')
    const file_key = { salt: encodeBase64(key.salt), key: encodeBase64(key.bytes) }
    // No test refresh: what is refreshed, and when, is the attack's to say.
    const request = { request: 'add', plain_add: true, file_key } as const
    const config = await openAccountFile(text, key)
    await callAgent({ kind: 'unix', path: socketPath }, { ...request, config })
  },
}

/** The C program, where Debian's package is installed. */
export const theirs: Contender | undefined =
  noPeerReason === undefined
    ? {
        isOurs: false,
        start: startPeerAgent,
        load: async (sandbox, { socketPath }, name) => {
          const timeoutMs = 10_000
          const env = { OIDC_ENCRYPTION_PW: PASSWORD, OIDC_SOCK: socketPath }
          // With the password it can save rotated refresh tokens, as ours can with the file's key.
          outputOf(
            await runPeer(sandbox, 'oidc-add', ['--pw-env', '--pw-store', name], {
              env,
              timeoutMs,
            }),
          )
        },
      }
    : undefined

export const whyNoPeer = noPeerReason
