import { parentPort, workerData } from 'node:worker_threads'
import { deriveKey } from '../../protocol/storage/account-file.ts'

// Derives one key by Argon2id. The thread then ends, and with it its 64 MiB of WebAssembly memory, which
// would never shrink.

const { password, salt } = workerData as { password: string; salt: Uint8Array }

void deriveKey(password, salt).then((key) => parentPort?.postMessage(key))
