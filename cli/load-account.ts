import { unlockAccountFile } from '../protocol/account-file.ts'
import { AgentError } from '../protocol/errors.ts'
import type { FileKey } from '../protocol/file-key.ts'
import type { AddRequest, JsonObject } from '../protocol/messages.ts'

/** How often a password may be wrong, as with the C tools. */
const MAX_TRIES = 3

/** An account file that was opened. */
export interface OpenedAccount {
  readonly fields: JsonObject
  readonly key: FileKey
  /** The one that fitted. */
  readonly password: string
}

/** Gives the password for a try; tries count from 1. */
export type PasswordForTry = (attempt: number) => Promise<string>

/**
 * Opens the text of an account file, with three tries for the password.
 * @throws AgentError `wrong-password` after the third, else what `unlockAccountFile` throws.
 */
export async function openWithTries(
  text: string,
  passwordFor: PasswordForTry,
  say: (line: string) => void,
): Promise<OpenedAccount> {
  for (let attempt = 1; attempt < MAX_TRIES; attempt++) {
    try {
      return await openOnce(text, await passwordFor(attempt))
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'wrong-password') throw error
      say(error.message)
    }
  }
  return await openOnce(text, await passwordFor(MAX_TRIES))
}

async function openOnce(text: string, password: string): Promise<OpenedAccount> {
  return { ...(await unlockAccountFile(text, password)), password }
}

/** The question for an account file's password, in the C tools' words. */
export function passwordQuestion(account: string): string {
  return `Enter decryption password for account config '${account}'`
}

/** The request that loads an opened account, with the key that lets the agent re-seal its file. */
export function addRequest(
  { fields, key }: OpenedAccount,
  settings: Omit<AddRequest, 'request' | 'config' | 'file_key'>,
): AddRequest {
  const file_key = { salt: base64(key.salt), key: base64(key.bytes) }
  return { ...settings, request: 'add', config: fields, file_key }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
