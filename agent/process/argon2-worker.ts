import { parentPort, workerData } from 'node:worker_threads'
import { deriveKey } from '../../protocol/storage/account-file.ts'

/** Runs one Argon2id and ends, and its 64 MiB of WebAssembly memory, which never shrinks, with it. */
const { password, salt } = workerData as { password: string; salt: Uint8Array }

void deriveKey(password, salt).then((key) => parentPort?.postMessage(key))
