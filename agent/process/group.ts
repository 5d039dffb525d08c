import { readFileSync } from 'node:fs'
import { AgentError } from '../../protocol/errors.ts'

/**
 * The id of a group by its name, from /etc/group: Node has no getgrnam. Groups of a directory
 * service are not found there; their number can be given instead.
 * @throws AgentError `bad-request` where there is no such group
 */
export function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group)
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${group}:`))
  const id = line?.split(':')[2]
  if (id === undefined) {
    throw new AgentError('bad-request', `Group does not exist: ${group}`, {
      hint: 'Give a group of /etc/group, or the number of one, to --with-group.',
    })
  }
  return Number(id)
}
