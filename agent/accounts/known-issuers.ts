import {
  issuerFilesState,
  type KnownIssuer,
  readKnownIssuers,
} from '../../protocol/issuer-config.ts'

/**
 * What the issuer files say, read again only after one of them has changed: every token that is asked
 * of a provider needs it.
 */
export function knownIssuersReader(
  directory: () => string | undefined,
  systemDirectory?: string,
): () => Promise<readonly KnownIssuer[]> {
  let last: { readonly state: string; readonly issuers: readonly KnownIssuer[] } | undefined
  return async () => {
    const path = directory()
    const state = await issuerFilesState(path, systemDirectory)
    if (last?.state === state) return last.issuers
    const issuers = await readKnownIssuers(path, systemDirectory)
    last = { state, issuers }
    return issuers
  }
}
