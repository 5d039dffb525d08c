import { expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { Keyring } from './keyring.ts'
import { LoadedAccount } from './loaded-account.ts'
import { restoreAccounts, serializeAccounts } from './lock.ts'

const LOCKED_AT = 1_000_000
const ignored = { added: () => undefined, removed: () => undefined }

/** The accounts that are loaded after an unlock at `now`, of one with a lifetime of 60 s and one without. */
function unlockedAt(now: number): readonly string[] {
  const before = new Keyring({ now: () => LOCKED_AT, random: () => 0 }, ignored)
  for (const [name, lifetime] of [
    ['brief', 60],
    ['lasting', 0],
  ] as const) {
    const fields = { name, issuer_url: 'https://op.example/', client_id: 'id' }
    before.add(new LoadedAccount(accountOf(fields)), lifetime)
  }
  const after = new Keyring({ now: () => now, random: () => 0 }, ignored)
  restoreAccounts(serializeAccounts(before, LOCKED_AT), after, now)
  const names = after.names()
  before.removeAll()
  after.removeAll()
  return names
}

test.each([
  ['before its end', 59_999, ['brief', 'lasting']],
  ['at its end, to the millisecond', 60_000, ['lasting']],
  ['after its end', 60_001, ['lasting']],
])(
  'an account with a lifetime is loaded after an unlock before its end only: %s',
  (_, after, names) => {
    expect(unlockedAt(LOCKED_AT + after)).toEqual(names)
  },
)
