import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isJsonArray, isJsonObject } from '../wire/json.ts'
import type { JsonObject, JsonValue } from '../wire/messages.ts'
import { sameIssuer, words } from './account.ts'
import { FileTrust, readBelieved } from './file-trust.ts'
import { replaceFile } from './files.ts'
import { type IssuerFile, issuerOfEntry, parseIssuerFile } from './issuer-config.ts'

/**
 * Notes in `issuer.config` that an account was made with an issuer. The file keeps its format,
 * 4.x text or 5.x JSON, and all else in it; a new one is JSON.
 * @throws AgentError `file-unreadable`, `file-malformed` or `file-unwritable`
 */
export async function addIssuerAccount(
  directory: string,
  issuer: string,
  account: string,
): Promise<void> {
  await editIssuerFile(directory, {
    json: (entries) => entriesWith(entries, issuer, account),
    text: (lines) => linesWith(lines, issuer, account),
  })
}

/**
 * Forgets an account in `issuer.config`; its issuer stays known.
 * @throws AgentError as {@link addIssuerAccount}
 */
export async function removeIssuerAccount(directory: string, account: string): Promise<void> {
  await editIssuerFile(directory, {
    json: (entries) => entries.map((entry) => entryWithout(entry, account)),
    text: (lines) => linesWithout(lines, account),
  })
}

interface Edit {
  readonly json: (entries: readonly JsonValue[]) => readonly JsonValue[]
  readonly text: (lines: readonly string[]) => readonly string[]
}

async function editIssuerFile(directory: string, edit: Edit): Promise<void> {
  const path = join(directory, 'issuer.config')
  // A file that others could have written must not become one that only its owner can write.
  const text = await readBelieved(path, FileTrust.ofThisUser())
  const edited = editedText(text === undefined ? newFile : parseIssuerFile(text, path), edit)
  if (edited !== undefined) await replaceFile(path, edited)
}

const newFile: IssuerFile = { format: 'json', entries: [] }

/** The new text, or undefined where nothing changes. */
function editedText(file: IssuerFile, edit: Edit): string | undefined {
  if (file.format === 'text') {
    const lines = edit.text(file.lines)
    return isDeepStrictEqual(lines, file.lines) ? undefined : lines.join('\n')
  }
  const entries = edit.json(file.entries)
  return isDeepStrictEqual(entries, file.entries)
    ? undefined
    : `${JSON.stringify(entries, null, '\t')}\n`
}

function entriesWith(
  entries: readonly JsonValue[],
  issuer: string,
  account: string,
): readonly JsonValue[] {
  const at = entries.findIndex((entry) => sameIssuer(issuerOfEntry(entry) ?? '', issuer))
  const entry = entries[at]
  if (!isJsonObject(entry)) return [...entries, { issuer, accounts: [account] }]
  const accounts = [...new Set([...accountsOf(entry), account])]
  return entries.with(at, { ...entry, accounts })
}

function entryWithout(entry: JsonValue, account: string): JsonValue {
  if (!isJsonObject(entry)) return entry
  const { default_account: chosen, ...rest } = entry
  const kept = chosen === undefined || chosen === account ? rest : entry
  if (entry['accounts'] === undefined) return kept
  return { ...kept, accounts: accountsOf(entry).filter((name) => name !== account) }
}

function accountsOf(entry: JsonObject): readonly JsonValue[] {
  const accounts = entry['accounts']
  return isJsonArray(accounts) ? accounts : []
}

function linesWith(lines: readonly string[], issuer: string, account: string): readonly string[] {
  const isThere = lines.some((line) => {
    const [url = '', name] = words(line)
    return sameIssuer(url, issuer) && name === account
  })
  return isThere ? lines : [...lines, `${issuer} ${account}`]
}

function linesWithout(lines: readonly string[], account: string): readonly string[] {
  const kept = lines.map((line) => {
    const [url = '', name] = words(line)
    return name === account ? url : line
  })
  return kept.filter((line, at) => !isRepeated(kept, line, at))
}

/** Whether a line that names an issuer alone says less than another one. */
function isRepeated(lines: readonly string[], line: string, at: number): boolean {
  const [issuer = '', account] = words(line)
  if (account !== undefined) return false
  return lines.some((other, index) => {
    const [url = '', name] = words(other)
    return sameIssuer(url, issuer) && (name !== undefined || index < at)
  })
}
