import { expect, test } from 'vitest'
import { mainSocketPeer } from './peers.ts'

const OWNER = 1000
const OTHER = 2000
const G = 300

test.each([
  ['the own uid is the owner', { uid: OWNER, groups: [OWNER] }, G, 'owner'],
  ['root is the owner', { uid: 0, groups: [0] }, undefined, 'owner'],
  [
    'the own uid is the owner also as a member of the group',
    { uid: OWNER, groups: [G] },
    G,
    'owner',
  ],
  ['another uid of the group has the role group', { uid: OTHER, groups: [OTHER, G] }, G, 'group'],
  [
    'another uid with G as its primary group has the role group',
    { uid: OTHER, groups: [G] },
    G,
    'group',
  ],
  ['another uid outside the group is not admitted', { uid: OTHER, groups: [OTHER] }, G, undefined],
  [
    'without --with-group no other uid is admitted',
    { uid: OTHER, groups: [G] },
    undefined,
    undefined,
  ],
  [
    "the owner's primary group is not the shared group",
    { uid: OTHER, groups: [OWNER] },
    G,
    undefined,
  ],
])('%s', (_, credentials, gid, role) => {
  const peer = mainSocketPeer({ pid: 7, ...credentials }, { uid: OWNER, gid })
  expect(peer?.role).toBe(role)
})

test('a peer that the kernel does not know was admitted by the mode of the socket', () => {
  expect(mainSocketPeer(undefined, { uid: OWNER, gid: undefined })).toEqual({
    role: 'owner',
    pid: 0,
  })
})
