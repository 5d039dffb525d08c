import { expect, test } from 'vitest'
import { scopeInWords } from './claims.ts'

test.each([
  ['storage.read:/', 'read files everywhere'],
  ['storage.read:/data', 'read files below /data'],
  ['storage.modify:/a', 'create, change, rename and delete files below /a'],
  ['storage.read', 'read files (the path is missing)'],
  ['compute.create', 'submit jobs'],
  ['condor:/READ', 'query HTCondor'],
  ['wlcg.groups', 'name your groups'],
  ['wlcg.groups:/wlcg/pilots', 'name your group /wlcg/pilots'],
  ['write:/x', 'create, change, rename and delete files below /x'],
  ['constructor', ''],
  ['eduperson_entitlement', ''],
])('the scope %s is explained as %j', (scope, words) => {
  expect(scopeInWords(scope)).toBe(words)
})
