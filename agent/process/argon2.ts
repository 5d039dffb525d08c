import { Worker } from 'node:worker_threads'
import type { DeriveKey } from '../../protocol/storage/account-file.ts'
import { AgentError } from '../../protocol/wire/errors.ts'

/**
 * Argon2id in a thread of its own: in the agent's main thread it would stop every client for 0.1–0.3 s and
 * keep 64 MiB of memory. `workerPath` is the built argon2-worker. The returned function fails with the
 * AgentError `internal` if the thread ends without a key.
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
