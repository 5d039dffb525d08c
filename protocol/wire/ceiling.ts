import { badRequest } from './fields.ts'

/**
 * What a restricted socket may give out of one account, at most: `ACCOUNT&scopes=S1,S2&audience=A1,A2`,
 * the form of oidc-condor-storer's requests.
 */
export interface Ceiling {
  readonly account: string
  /** `all`: every scope that the account has. */
  readonly scopes: readonly string[] | 'all'
  /** Empty: no audience may be requested. */
  readonly audiences: readonly string[]
}

const ALL = '*'

/**
 * Parses a ceiling. Commas separate scopes and audiences, which may contain colons. There is no way to write
 * a comma or an & in one of them.
 * @throws AgentError `bad-request` if it is not exactly of that form: a typing error must not share more
 */
export function parseCeiling(text: string): Ceiling {
  const [account = '', ...modifiers] = text.split('&')
  if (account === '' || /[\s/\p{Cc}]/u.test(account)) throw wrong(text, 'it names no account')
  const lists = listsOf(modifiers, text)
  const { scopes, audience: audiences = [] } = lists
  if (scopes === undefined) throw wrong(text, 'scopes must be given; scopes=* allows all')
  if (audiences.includes(ALL)) throw wrong(text, 'audiences must be named one by one')
  if (!scopes.includes(ALL)) return { account, scopes, audiences }
  if (scopes.length > 1) throw wrong(text, '* allows all scopes, so no other can be given')
  return { account, scopes: 'all', audiences }
}

interface Lists {
  scopes?: readonly string[]
  audience?: readonly string[]
}

function listsOf(modifiers: readonly string[], text: string): Lists {
  const lists: Lists = {}
  for (const modifier of modifiers) {
    const [key = '', ...rest] = modifier.split('=')
    if ((key !== 'scopes' && key !== 'audience') || rest.length === 0) {
      throw wrong(text, `'${modifier}' is neither scopes=… nor audience=…`)
    }
    if (lists[key] !== undefined) throw wrong(text, `${key} is given twice`)
    lists[key] = listOf(rest.join('='), key, text)
  }
  return lists
}

/** The text that {@link parseCeiling} reads. */
export function formatCeiling({ account, scopes, audiences }: Ceiling): string {
  const audience = audiences.length === 0 ? '' : `&audience=${audiences.join(',')}`
  return `${account}&scopes=${scopes === 'all' ? ALL : scopes.join(',')}${audience}`
}

function listOf(list: string, key: string, text: string): readonly string[] {
  const items = list.split(',')
  // RFC 6749 §3.3: printable ASCII without space, quotation mark and backslash.
  const isWrong = items.some((item) => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(item))
  if (isWrong) throw wrong(text, `${key} is not a list of words with commas between them`)
  return [...new Set(items)]
}

function wrong(text: string, problem: string): Error {
  return badRequest(
    `'${text.replaceAll(/\p{Cc}/gu, ' ')}' is not ACCOUNT&scopes=S1,S2&audience=A1,A2: ${problem}`,
  )
}
