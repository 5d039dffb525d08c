import { expect, test } from 'vitest'
import { secretOf } from '../../protocol/wire/secret.ts'
import { newestToken } from './newest-token.ts'

type Standing = 'saved' | 'unsaved' | 'dead'
type Row = readonly [
  situation: string,
  memory: string,
  standing: Standing,
  file: string,
  offered: string,
  newest: string,
]

/** The token in memory came from `old` by rotation; empty: there is no token, or it is unknown. */
const rows: readonly Row[] = [
  // A save, or a refusal: the file is compared with memory.
  ['memory if the file has the same token', 'm', 'saved', 'm', '', 'memory'],
  ['memory if the file has the token that memory replaced', 'm', 'saved', 'old', '', 'memory'],
  ['memory if the file has no token', 'm', 'saved', '', '', 'memory'],
  ['the file’s if another login is in the file', 'm', 'saved', 'new', '', 'file'],
  ['the file’s if memory has none', '', 'saved', 'new', '', 'file'],
  ['memory if it could not be saved, whatever the file has', 'm', 'unsaved', 'new', '', 'memory'],
  ['memory if it could not be saved over an older one', 'm', 'unsaved', 'old', '', 'memory'],
  ['memory, although dead, if the file has the same one', 'm', 'dead', 'm', '', 'memory'],
  ['memory, although dead, if there is no other', 'm', 'dead', '', '', 'memory'],
  ['the file’s if memory is dead', 'm', 'dead', 'new', '', 'file'],
  ['the file’s, although older, if memory is dead', 'm', 'dead', 'old', '', 'file'],
  // An `add`, in whose request the client offers what it read from the file.
  ['memory if the client offers the same token', 'm', 'saved', '', 'm', 'memory'],
  [
    'memory if the client offers the same token and the file changed since',
    'm',
    'saved',
    'new',
    'm',
    'memory',
  ],
  ['memory if the client offers the token that memory replaced', 'm', 'saved', '', 'old', 'memory'],
  ['the offered one if the file cannot be opened', 'm', 'saved', '', 'new', 'offered'],
  ['the file’s if client and file have the same other login', 'm', 'saved', 'new', 'new', 'file'],
  ['the file’s if client and file have two other logins', 'm', 'saved', 'newer', 'new', 'file'],
  [
    'memory if the client’s is unknown and the file agrees with memory',
    'm',
    'saved',
    'm',
    'new',
    'memory',
  ],
  ['memory if the client’s is unknown and the file is older', 'm', 'saved', 'old', 'new', 'memory'],
  [
    'memory if it could not be saved, whatever the client offers',
    'm',
    'unsaved',
    '',
    'new',
    'memory',
  ],
  ['memory, although dead, if the client offers the same one', 'm', 'dead', 'm', 'm', 'memory'],
  [
    'the offered one if memory is dead and the file has the same',
    'm',
    'dead',
    'm',
    'new',
    'offered',
  ],
  ['the offered one, although older, if memory is dead', 'm', 'dead', '', 'old', 'offered'],
  ['the file’s if memory is dead, whatever the client offers', 'm', 'dead', 'newer', 'new', 'file'],
  ['the offered one if memory has none', '', 'saved', '', 'new', 'offered'],
  ['memory if there is no token at all', '', 'saved', '', '', 'memory'],
]

test.each(rows)('the newest refresh token is %s', (...row) => {
  const [, token, standing, file, offered, newest] = row
  const memory = {
    token: secretOf(token),
    isDead: standing === 'dead',
    isUnsaved: standing === 'unsaved',
    hasReplaced: (other: { reveal(): string }) => other.reveal() === 'old',
  }
  const others = { file: secretOf(file), offered: secretOf(offered) }
  expect(newestToken(memory, others)).toBe(newest)
})
