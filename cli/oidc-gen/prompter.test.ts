import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { testIo } from '../test-io.ts'
import { PipedPrompter } from './prompter.ts'

test('a pipe answers each question with a line, an empty line means the default, and its end is an error', async () => {
  const { stderr } = testIo()
  const answers = new PipedPrompter(Readable.from(['https://op\n', '\nla', 'st']), stderr)
  expect(await answers.ask('Issuer')).toBe('https://op')
  answers.say('The following scopes are supported: x')
  expect(await answers.ask('Scopes', { default: 'openid' })).toBe('openid')
  expect(await answers.ask('Name')).toBe('last')
  await expect(answers.ask('More')).rejects.toMatchObject({ code: 'no-terminal' })
  expect(stderr.text).toBe(
    'Issuer: \nThe following scopes are supported: x\nScopes [openid]: \nName: \nMore: \n',
  )
})
