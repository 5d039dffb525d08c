import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GenSession } from '../../test/support/gen-session.ts'

const issuers = [
  { issuer: 'https://wlcg.cloud.cnaf.infn.it/', accounts: ['work'] },
  { issuer: 'https://cms-auth.cern.ch/' },
  { issuer: 'https://atlas-auth.cern.ch/' },
  { issuer: 'https://aai.egi.eu/auth/realms/egi' },
]
const stop = { status: 'failure', error: 'far enough' }

let session: GenSession

beforeEach(async () => {
  session = await GenSession.open({ check: { status: 'success' }, scopes: stop })
  await mkdir(join(session.home, '.oidc-agent'))
  const path = join(session.home, '.oidc-agent', 'issuer.config')
  await writeFile(path, JSON.stringify(issuers))
})

afterEach(() => session.close())

/** The issuer that was asked for its scopes after these answers. */
async function chosen(...answers: readonly string[]): Promise<unknown> {
  const turns = answers.map((answer) => ['Issuer', answer] as const)
  const { terminal } = await session.run(['-w', 'device', 'new'], { turns })
  expect(terminal.left).toEqual([])
  return session.request('scopes')['issuer']
}

describe('The issuer of an account', () => {
  test.each([
    ['its number', '2', 'https://cms-auth.cern.ch/'],
    ['part of its name', 'atlas', 'https://atlas-auth.cern.ch/'],
    ['part of its name in any case', 'EGI', 'https://aai.egi.eu/auth/realms/egi/'],
    ['all of its name', 'cms-auth.cern.ch', 'https://cms-auth.cern.ch/'],
    ['an account made with it', 'work', 'https://wlcg.cloud.cnaf.infn.it/'],
    ['its URL, known or not', 'https://new.example/x', 'https://new.example/x/'],
    ['a host that is not known', 'new.example', 'https://new.example/'],
    ['an empty answer, which means the proposed one', '', 'https://wlcg.cloud.cnaf.infn.it/'],
  ])('an issuer can be chosen by %s', async (_how, answer, issuer) => {
    expect(await chosen(answer)).toBe(issuer)
  })

  test('an ambiguous answer is asked again, with the issuers it could mean and their numbers', async () => {
    const { terminal } = await session.run(['-w', 'device', 'new'], {
      turns: [
        ['Issuer', 'cern'],
        ['Issuer', 'nothing'],
        ['Issuer', '9'],
        ['Issuer', '3'],
      ],
    })
    expect(session.request('scopes')['issuer']).toBe('https://atlas-auth.cern.ch/')
    expect(terminal.screen).toContain(
      '[2] https://cms-auth.cern.ch/\n[3] https://atlas-auth.cern.ch/',
    )
    expect(terminal.screen).toContain("No known issuer has 'nothing' in its name; type its URL")
    expect(terminal.screen).toContain('Input out of bound')
  })

  test('--issuer accepts part of a name, unless it is ambiguous', async () => {
    await session.run(['-w', 'device', '--iss=egi', 'new'], { turns: [] })
    expect(session.request('scopes')['issuer']).toBe('https://aai.egi.eu/auth/realms/egi/')
    const { status, stderr } = await session.run(['--iss=cern', 'new'], { turns: [] })
    expect(status).toBe(1)
    expect(stderr).toContain('https://cms-auth.cern.ch/ or https://atlas-auth.cern.ch/')
  })
})
