import { Worker } from 'node:worker_threads'
import type { DeriveKey } from '../../protocol/storage/account-file.ts'
import { AgentError } from '../../protocol/wire/errors.ts'

/**
 * Argon2id in a thread that is thrown away: in the agent's own thread it would stop every client
 * for 0.1–0.3 s and leave 64 MiB behind. `workerPath` is the built argon2-worker.
 */
export function deriveInThread(workerPath: string): DeriveKey {
  return (password, salt) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(workerPath, { workerData: { password, salt } })
      worker.once('message', (key: Uint8Array) => {
        resolve(key)
        void worker.terminate()
      })
      worker.once('error', reject)
      worker.once('exit', (code) => {
        reject(new AgentError('internal', `the key derivation thread ended with status ${code}`))
      })
    })
}
