import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { accountOf } from '../../protocol/storage/account.ts'
import { Secret } from '../../protocol/wire/secret.ts'
import type { CiTokenRequest } from './provider.ts'
import { subjectTokenReader } from './subject-token.ts'

const GITHUB = {
  ACTIONS_ID_TOKEN_REQUEST_URL: 'https://pipelines.example/token?v=2',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'JOB',
}

/** The subject token of an account, and the requests to the platform for it. */
async function read(
  fields: Record<string, string>,
  env: Record<string, string>,
): Promise<{ token: string; requests: readonly (readonly string[])[] }> {
  const requests: (readonly string[])[] = []
  const ciToken = ({ url, bearer, audience }: CiTokenRequest): Promise<Secret> => {
    requests.push([url, bearer.reveal(), audience])
    return Promise.resolve(new Secret('PLATFORM'))
  }
  const issuer_url = 'https://idp.example/'
  const account = accountOf({ name: 'ci', issuer_url, grant: 'token-exchange', ...fields })
  const secret = await subjectTokenReader(env, { ciToken })(account, new AbortController().signal)
  return { token: secret.reveal(), requests }
}

describe('the subject token of an account', () => {
  test('the subject token comes from GitHub, for the audience of the account or else the issuer', async () => {
    const { ACTIONS_ID_TOKEN_REQUEST_URL: url } = GITHUB
    const fields = { subject_token_source: 'github' }
    expect(await read(fields, GITHUB)).toEqual({
      token: 'PLATFORM',
      requests: [[url, 'JOB', 'https://idp.example/']],
    })
    const other = await read({ ...fields, subject_token_audience: 'wlcg' }, GITHUB)
    expect(other.requests).toEqual([[url, 'JOB', 'wlcg']])
  })

  test('the subject token comes from a variable, as GitLab sets it', async () => {
    const fields = { subject_token_env: 'WLCG_ID_TOKEN' }
    expect(await read(fields, { WLCG_ID_TOKEN: ' a.b.c\n' })).toEqual({
      token: 'a.b.c',
      requests: [],
    })
  })

  test.each([
    [{ subject_token_source: 'github' }, {}],
    [{ subject_token_source: 'github' }, { ...GITHUB, ACTIONS_ID_TOKEN_REQUEST_TOKEN: '' }],
    [{ subject_token_source: 'elsewhere' }, GITHUB],
    [{ subject_token_env: 'WLCG_ID_TOKEN' }, { WLCG_ID_TOKEN: ' ' }],
    [{ subject_token_file: '/nonexistent/token' }, {}],
    [{}, {}],
  ])(
    'the subject token is missing for the account %j in the environment %j',
    async (fields: Record<string, string>, env) => {
      await expect(read(fields, env)).rejects.toMatchObject({ code: 'no-subject-token' })
    },
  )
})

test.each(['two words', 'a\nb', 'töken', 'a\u0000b', 'a'.repeat(16 * 1024 + 1)])(
  'text that is not a token is not sent anywhere (%#)',
  async (text) => {
    const directory = await mkdtemp(join(tmpdir(), 'subject-token-'))
    const path = join(directory, 'token')
    await writeFile(path, text)
    const refused = {
      code: 'no-subject-token',
      message: expect.stringContaining('not a token') as string,
    }
    await expect(read({ subject_token_env: 'TOKEN' }, { TOKEN: text })).rejects.toMatchObject(
      refused,
    )
    await expect(read({ subject_token_file: path }, {})).rejects.toMatchObject(refused)
    await rm(directory, { recursive: true })
  },
)

test('a FIFO or a device in place of a subject token is refused at once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'subject-token-'))
  const path = join(directory, 'token')
  execFileSync('mkfifo', [path])
  for (const subject_token_file of [path, '/dev/zero', directory]) {
    await expect(read({ subject_token_file }, {})).rejects.toMatchObject({
      code: 'no-subject-token',
    })
  }
  await rm(directory, { recursive: true })
})
