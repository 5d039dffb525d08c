import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { AgentError } from '../../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../../protocol/wire/json.ts'
import { usageError } from '../../arguments.ts'
import { printInfo } from '../../printing.ts'
import type { Io } from '../../run.ts'
import type { TokenOptions } from '../options.ts'
import { printable } from '../output.ts'
import { requestAccessToken, requestIdToken, tokenSelection } from '../token-request.ts'

/** Where a token to be looked at may come from. */
export interface InspectIo {
  readonly io: Io
  /** Opens stdin. */
  readonly stdin: () => AsyncIterable<Buffer>
}

/** The token that was named: by an account, a file, `-`, or not at all. */
export async function findToken(
  operand: string | undefined,
  options: TokenOptions,
  { io, stdin }: InspectIo,
): Promise<TokenSource> {
  if (options.tokenFile !== undefined) {
    if (operand !== undefined) throw usageError('give an account or --token-file, not both')
    return tokenInFile(options.tokenFile)
  }
  if (operand === undefined) return discoveredToken(io)
  if (operand === '-') return { text: tokenIn(await boundedText(stdin()), 'stdin'), place: 'stdin' }
  return { text: await tokenOf(operand, options, io), place: operand }
}

async function tokenOf(operand: string, options: TokenOptions, io: Io): Promise<string> {
  const wanted = tokenSelection(operand, options)
  if (options.idToken) return printable('id token', (await requestIdToken(wanted, io)).id_token)
  const { access_token, info } = await requestAccessToken(wanted, options, io)
  printInfo(info, io)
  return printable('access token', access_token)
}

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
async function tokenInFile(path: string): Promise<TokenSource> {
  const content = await contentOf(path)
  if (content === undefined)
    throw new AgentError('file-not-found', `${path}: there is no such file`)
  return { text: tokenIn(content, path), place: path }
}

/**
 * The token a text holds.
 * @throws AgentError `file-malformed`, naming the place
 */
function tokenIn(text: string, place: string): string {
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

/** More than any token file has; a sanity bound of ours. */
const MAX_BYTES = 65_536

/**
 * All that a stream gives, as text.
 * @throws AgentError `file-malformed` where that is absurdly much
 */
async function boundedText(chunks: AsyncIterable<Buffer>): Promise<string> {
  const read: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) {
      throw new AgentError('file-malformed', `more than ${MAX_BYTES} bytes: that is no token`)
    }
    read.push(chunk)
  }
  return Buffer.concat(read).toString()
}

/** The C `isspace` characters, which Bearer Token Discovery strips on both sides. */
const space = /^[ \f\n\r\t\v]+|[ \f\n\r\t\v]+$/g

/** RFC 6750 §2.1 `b64token`. */
const bearerToken = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * The access token in the text of a token file: either the bare token, as WLCG Bearer Token Discovery
 * has it, or JSON with an `access_token`, as the OAuth credmon of HTCondor writes its `.use` files.
 * @throws AgentError `file-malformed` where it is neither
 */
export function tokenOfUseFile(text: string): string {
  const bare = text.replace(space, '')
  const token = bare.startsWith('{') ? tokenOfJson(bare) : bare
  if (bearerToken.test(token)) return token
  const fault = bare === '' ? 'the token file is empty' : 'the token file holds no bearer token'
  throw new AgentError('file-malformed', fault)
}

function tokenOfJson(text: string): string {
  try {
    const value = parseTolerantJson(text)
    const token = isJsonObject(value) ? value['access_token'] : undefined
    return typeof token === 'string' ? token : ''
  } catch (cause) {
    // The parser's message could hold a piece of the text.
    throw new AgentError('file-malformed', 'the token file holds damaged JSON', { cause })
  }
}
