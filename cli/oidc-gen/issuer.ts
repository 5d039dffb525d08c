import { sameIssuer } from '../../protocol/storage/account.ts'
import type { KnownIssuer } from '../../protocol/storage/issuer-config.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { Prompter } from './prompter.ts'

/** An issuer, with its entry in the issuer files. */
export interface ChosenIssuer {
  readonly url: string
  readonly known: KnownIssuer | undefined
}

/**
 * The issuer of an account: as given, else chosen from the known ones or typed.
 * @param account whose name proposes an issuer
 * @param given by an option or by what is stored
 * @throws AgentError `bad-request` if `given` is part of several names; `no-terminal`
 */
export async function chooseIssuer(
  account: string,
  given: string | undefined,
  known: readonly KnownIssuer[],
  prompter: Prompter,
): Promise<ChosenIssuer> {
  if (given !== undefined) return chosen(givenUrl(given, known), known)
  const urls = known.map(({ issuer }) => issuer)
  prompter.say(listed(urls, urls))
  const favourite = urls.find((url) => url.includes(account)) ?? urls[0]
  for (;;) {
    const answer = await prompter.ask(issuerQuestion, favourite)
    const found = find(answer, known)
    if (found.kind === 'one') return chosen(found.url, known)
    prompter.say(found.kind === 'several' ? listed(found.urls, urls) : found.reason)
  }
}

const issuerQuestion = { label: 'issuer url', option: 'issuer', question: 'Issuer' } as const

type Found =
  | { readonly kind: 'one'; readonly url: string }
  | { readonly kind: 'several'; readonly urls: readonly string[] }
  | { readonly kind: 'none'; readonly reason: string }

/** The issuer that an answer means: a number of the list, a URL, a name or part of one. */
function find(answer: string, known: readonly KnownIssuer[]): Found {
  if (/^\d+$/.test(answer)) {
    const url = known[Number(answer) - 1]?.issuer
    return url === undefined ? { kind: 'none', reason: 'Input out of bound' } : { kind: 'one', url }
  }
  if (answer.includes('://')) return { kind: 'one', url: answer }
  const urls = named(answer, known)
  const [first] = urls
  if (first !== undefined)
    return urls.length === 1 ? { kind: 'one', url: first } : { kind: 'several', urls }
  if (looksLikeHost(answer)) return { kind: 'one', url: `https://${answer}` }
  return { kind: 'none', reason: `No known issuer has '${answer}' in its name; type its URL` }
}

/**
 * The issuers with `part` in their URL or in the name of an account. If it is all of the URL or of the
 * name of exactly one, only that.
 */
function named(part: string, known: readonly KnownIssuer[]): readonly string[] {
  const whole = known.filter(
    ({ issuer, accounts }) => sameIssuer(issuer, `https://${part}`) || accounts.includes(part),
  )
  const lower = part.toLowerCase()
  const found =
    whole.length === 1
      ? whole
      : known.filter(({ issuer, accounts }) =>
          [issuer, ...accounts].some((text) => text.toLowerCase().includes(lower)),
        )
  return found.map(({ issuer }) => issuer)
}

/** An issuer that an option or a file names. Only a text that cannot be a host is looked up in the list. */
function givenUrl(given: string, known: readonly KnownIssuer[]): string {
  if (given.includes('://') || looksLikeHost(given)) return withScheme(given)
  const urls = named(given, known)
  const [only] = urls
  if (only === undefined) return withScheme(given)
  if (urls.length === 1) return only
  throw new AgentError('bad-request', `The issuer '${given}' could be ${urls.join(' or ')}`)
}

function looksLikeHost(text: string): boolean {
  return /[.:]/.test(text)
}

function withScheme(text: string): string {
  return text.includes('://') ? text : `https://${text}`
}

/** The issuers with the numbers they have in the whole list. */
function listed(urls: readonly string[], all: readonly string[]): string {
  return urls.map((url) => `[${all.indexOf(url) + 1}] ${url}`).join('\n')
}

function chosen(url: string, known: readonly KnownIssuer[]): ChosenIssuer {
  return { url, known: known.find(({ issuer }) => sameIssuer(issuer, url)) }
}

/** The redirect URIs with which every public client is registered (protocol.md §3.5). */
const REDIRECT_URIS = ['http://localhost:8080', 'http://localhost:4242', 'http://localhost:43985']

/**
 * The members of an account for the issuer's public client, as the issuer files give it.
 * @throws AgentError `unsupported-by-provider` if they give none
 */
export function publicClient({ url, known }: ChosenIssuer): JsonObject {
  const client = known?.publicClient
  if (client === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Could not find a public client for this issuer.',
      { hint: `issuer.config has none for ${url}. Leave out --pub to register a client.` },
    )
  }
  return {
    client_id: client.clientId,
    client_secret: client.clientSecret ?? '',
    uses_pub_client: 1,
    redirect_uris: REDIRECT_URIS,
  }
}
