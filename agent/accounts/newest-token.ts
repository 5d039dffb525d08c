import type { Secret } from '../../protocol/wire/secret.ts'

/** What the agent knows of the refresh token in its memory. */
export interface TokenInMemory {
  readonly token: Secret | undefined
  /** Whether the provider refused it for good. */
  readonly isDead: boolean
  /** Whether it is newer than the file's but could not be saved yet. */
  readonly isUnsaved: boolean
  /** Whether rotation replaced that token by this one. */
  readonly hasReplaced: (token: Secret) => boolean
}

/** Refresh tokens of the same account in other places; undefined if there is none or it is unknown. */
export interface OtherTokens {
  readonly file?: Secret | undefined
  /** In an `add` request: what its sender read from the file a moment ago. */
  readonly offered?: Secret | undefined
}

export type NewestToken = 'memory' | 'file' | 'offered'

/**
 * Which refresh token of an account is the newest: the file's, unless memory holds one that could not
 * be saved, or one that replaced the file's. The offered one stands for the file's if the agent cannot
 * open the file; if it is the one in memory, or an older one, client and agent know the same login. A
 * dead token is the newest only if there is no other.
 */
export function newestToken(memory: TokenInMemory, { file, offered }: OtherTokens): NewestToken {
  const isOther = (token: Secret | undefined): token is Secret =>
    token !== undefined && !isSameToken(token, memory.token)
  if (memory.isDead) {
    if (isOther(file)) return 'file'
    return isOther(offered) ? 'offered' : 'memory'
  }
  if (memory.isUnsaved) return 'memory'
  const isNewer = (token: Secret | undefined): boolean =>
    isOther(token) && !memory.hasReplaced(token)
  if (offered !== undefined && !isNewer(offered)) return 'memory'
  if (!isNewer(file ?? offered)) return 'memory'
  return file === undefined ? 'offered' : 'file'
}

/** Whether two refresh tokens are the same, or both absent. */
export function isSameToken(one: Secret | undefined, other: Secret | undefined): boolean {
  return one?.reveal() === other?.reveal()
}
