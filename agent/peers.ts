import type { PeerCredentials } from './process/hardening.ts'
import type { Share } from './restricted-sockets.ts'

/**
 * What a peer of a socket may ask; the rows of agent/dispatch.ts say which requests each role has.
 * `owner`: the agent's own uid, and root. `group`: another uid, admitted by `--with-group`. `shared`: any
 * peer of a restricted socket.
 */
export type Role = 'owner' | 'group' | 'shared'

/** The role of a peer, and what its socket shares with it. */
export type Access =
  | { readonly role: Exclude<Role, 'shared'> }
  | { readonly role: 'shared'; readonly share: Share }

/** The process at the other end of a connection. */
export type Peer = Access & {
  /** 0 where the kernel does not tell. */
  readonly pid: number
}

/**
 * The role of a peer of the agent's main socket; undefined: it is not admitted.
 * @param credentials undefined where the kernel does not tell: then the mode of the socket and of its
 *   directory has let the peer in
 * @param gid the group of `--with-group`
 */
export function mainSocketPeer(
  credentials: PeerCredentials | undefined,
  { uid, gid }: { readonly uid: number; readonly gid: number | undefined },
): Peer | undefined {
  if (credentials === undefined) return { role: 'owner', pid: 0 }
  const { pid } = credentials
  if (credentials.uid === uid || credentials.uid === 0) return { role: 'owner', pid }
  if (gid !== undefined && credentials.groups.includes(gid)) return { role: 'group', pid }
  return undefined
}
