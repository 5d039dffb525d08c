import { sameIssuer } from '../../protocol/storage/account.ts'
import type { KnownIssuer } from '../../protocol/storage/issuer-config.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { JsonObject } from '../../protocol/wire/messages.ts'
import type { GenContext } from './context.ts'

/** An issuer, and what the issuer files say of it. */
export interface ChosenIssuer {
  readonly url: string
  readonly known: KnownIssuer | undefined
}

/** The issuer of account `name`: as given, else chosen from the known ones or typed. */
export async function chooseIssuer(
  name: string,
  known: readonly KnownIssuer[],
  { options, prompter }: GenContext,
  stored?: string,
): Promise<ChosenIssuer> {
  const given = options.issuer ?? stored
  if (given !== undefined) return chosen(givenUrl(given, known), known)
  const urls = known.map(({ issuer }) => issuer)
  prompter.say(listed(urls, urls))
  const favourite = urls.find((url) => url.includes(name)) ?? urls[0]
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

/** What a person means by a number of the list, a URL, a name or part of one. */
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

/** The issuers whose URL or account has `part` in it; where it is the whole of one, only that. */
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

/** An issuer that an option or a file names; only what can be no host is looked up in the list. */
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

/** With the numbers they have in the whole list. */
function listed(urls: readonly string[], all: readonly string[]): string {
  return urls.map((url) => `[${all.indexOf(url) + 1}] ${url}`).join('\n')
}

function chosen(url: string, known: readonly KnownIssuer[]): ChosenIssuer {
  return { url, known: known.find(({ issuer }) => sameIssuer(issuer, url)) }
}

/** Redirect URIs that every public client is registered with (protocol.md §3.5). */
const REDIRECT_URIS = ['http://localhost:8080', 'http://localhost:4242', 'http://localhost:43985']

/**
 * The members of an account for the public client that the issuer files have for its issuer.
 * @throws AgentError `unsupported-by-provider` where there is none.
 */
export function publicClient({ url, known }: ChosenIssuer): JsonObject {
  const client = known?.publicClient
  if (client === undefined) {
    throw new AgentError(
      'unsupported-by-provider',
      'Could not find a public client for this issuer.',
      { hint: `There is none for ${url} in issuer.config. Leave out --pub to register a client.` },
    )
  }
  return {
    client_id: client.clientId,
    client_secret: client.clientSecret ?? '',
    uses_pub_client: 1,
    redirect_uris: REDIRECT_URIS,
  }
}
