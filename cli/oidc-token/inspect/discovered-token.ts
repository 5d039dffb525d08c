import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { AgentError } from '../../../protocol/errors.ts'
import { tokenOfUseFile } from '../../bearer-token-text.ts'
import type { Io } from '../../run.ts'
import { boundedText } from './bounded-text.ts'

/** A token and where it was, for a person. */
export interface TokenSource {
  readonly text: string
  readonly place: string
  /** Where programs find it in a file by themselves. */
  readonly file?: TokenFile
}

/** The file as programs find it. */
export interface TokenFile {
  /** As chmod has it. */
  readonly mode: number
  readonly bytes: number
  /** False: the token is wrapped in JSON. */
  readonly isBare: boolean
}

/**
 * The token a program on this machine would find (WLCG Bearer Token Discovery): the first place that
 * holds something counts, and must hold a token. Like HTCondor and XRootD, it goes on to /tmp where the
 * file in $XDG_RUNTIME_DIR is missing.
 * @throws AgentError `file-not-found` where there is none anywhere, `file-malformed`, `file-unreadable`
 */
export async function discoveredToken({ env, uid }: Pick<Io, 'env' | 'uid'>): Promise<TokenSource> {
  const { BEARER_TOKEN: value = '', BEARER_TOKEN_FILE: named, XDG_RUNTIME_DIR: runtime } = env
  if (value.trim() !== '') return { text: tokenIn(value, '$BEARER_TOKEN'), place: '$BEARER_TOKEN' }
  const name = `bt_u${uid}`
  const files = [
    ...(isSet(named) ? [named] : []),
    ...(isSet(runtime) ? [`${runtime}/${name}`] : []),
    `/tmp/${name}`,
  ]
  for (const path of files) {
    const content = (await contentOf(path)) ?? ''
    if (content.trim() === '') continue
    const text = tokenIn(content, path)
    return { text, place: path, file: await fileAt(path, content.trim() === text) }
  }
  throw new AgentError('file-not-found', `no token: not in $BEARER_TOKEN, ${files.join(', ')}`, {
    hint: 'Name an account, or give a token by --token-file or on stdin (-).',
  })
}

/**
 * The token in a file: alone, or in JSON as HTCondor's `.use` files have it.
 * @throws AgentError `file-not-found`, `file-unreadable`, `file-malformed`
 */
export async function tokenInFile(path: string): Promise<TokenSource> {
  const content = await contentOf(path)
  if (content === undefined)
    throw new AgentError('file-not-found', `${path}: there is no such file`)
  return { text: tokenIn(content, path), place: path }
}

/**
 * The token a text holds.
 * @throws AgentError `file-malformed`, naming the place
 */
export function tokenIn(text: string, place: string): string {
  try {
    return tokenOfUseFile(text)
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    throw new AgentError(error.code, `${place}: ${error.message.replace('the token file', 'it')}`)
  }
}

async function fileAt(path: string, isBare: boolean): Promise<TokenFile> {
  const { mode, size } = await stat(path)
  return { mode, bytes: size, isBare }
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}

/** Undefined where there is no such file. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await boundedText(createReadStream(path))
  } catch (error) {
    if (error instanceof AgentError) throw new AgentError(error.code, `${path}: ${error.message}`)
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new AgentError('file-unreadable', `${path} cannot be read: ${code}`, { cause: error })
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
