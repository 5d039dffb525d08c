import { sameIssuer } from '../../protocol/account.ts'
import type { KnownIssuer } from '../../protocol/issuer-config.ts'
import type { GenSetting } from './setting.ts'

/** An issuer, and what the issuer files say of it. */
export interface ChosenIssuer {
  readonly url: string
  readonly known: KnownIssuer | undefined
}

/** The issuer of account `name`: as given, else chosen from the known ones or typed. */
export async function chooseIssuer(
  name: string,
  known: readonly KnownIssuer[],
  { options, asker }: GenSetting,
  stored?: string,
): Promise<ChosenIssuer> {
  const given = options.issuer ?? stored
  if (given !== undefined) return chosen(given, known)
  const urls = known.map(({ issuer }) => issuer)
  asker.say(urls.map((url, index) => `[${index + 1}] ${url}`).join('\n'))
  const favourite = urls.find((url) => url.includes(name)) ?? urls[0]
  for (;;) {
    const answer = await asker.ask(wanted, favourite)
    const url = /^\d+$/.test(answer) ? urls[Number(answer) - 1] : answer
    if (url !== undefined) return chosen(url, known)
    asker.say('Input out of bound')
  }
}

const wanted = { label: 'issuer url', option: 'issuer', question: 'Issuer' } as const

function chosen(answer: string, known: readonly KnownIssuer[]): ChosenIssuer {
  const url = answer.includes('://') ? answer : `https://${answer}`
  return { url, known: known.find(({ issuer }) => sameIssuer(issuer, url)) }
}
