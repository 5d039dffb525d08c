import { type Check, notOk, ok } from './check.ts'
import type { TokenSource } from './discovered-token.ts'
import type { Operation } from './service.ts'
import { MAX_TOKEN_BYTES } from './token-checks.ts'

/**
 * Whether the client of a service takes the file in which it finds a token. XRootD's looks at more
 * than what is in it (wlcg.md §5), and says only that no protocol was left to try.
 */
export function clientChecks({ place, file }: TokenSource, operation: Operation): readonly Check[] {
  if (file === undefined) return []
  if (!file.isBare) {
    return [
      notOk('file', `${place} holds JSON: programs want the token alone in BEARER_TOKEN_FILE`),
    ]
  }
  if (operation.kind !== 'storage' || operation.protocol !== 'root') return []
  if ((file.mode & 0o077) !== 0) {
    const mode = (file.mode & 0o777).toString(8).padStart(4, '0')
    return [
      notOk('file', `mode ${mode}: xrdcp refuses a file that others may use; chmod 600 ${place}`),
    ]
  }
  if (file.bytes > MAX_TOKEN_BYTES) {
    return [notOk('file', `${file.bytes} bytes: xrdcp refuses more than ${MAX_TOKEN_BYTES}`)]
  }
  return [ok('file', `only yours, ${file.bytes} bytes`)]
}
