import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { AgentError } from '../../../protocol/wire/errors.ts'
import { isJsonObject, parseTolerantJson } from '../../../protocol/wire/json.ts'
import { usageError } from '../../arguments.ts'
import type { Io } from '../../run.ts'

/** What `--inspect` takes from outside. */
export interface InspectContext {
  readonly io: Io
  /** Opens stdin. */
  readonly stdin: () => AsyncIterable<Buffer>
  /** Gets a token of an account, or of an issuer by its URL, from the agent. */
  readonly fetchToken: (operand: string) => Promise<string>
}

/**
 * The token that the command line names: in a file, on stdin (`-`), of an account or issuer; without a
 * name the token that programs on this machine find.
 * @throws AgentError `usage`, `file-not-found`, `file-unreadable`, `file-malformed`, or the agent's error
 */
export async function findToken(
  operand: string | undefined,
  tokenFile: string | undefined,
  { io, stdin, fetchToken }: InspectContext,
): Promise<TokenSource> {
  if (tokenFile !== undefined) {
    if (operand !== undefined) throw usageError('give an account or --token-file, not both')
    return tokenInFile(tokenFile)
  }
  if (operand === undefined) return discoveredToken(io)
  if (operand === '-') return { text: tokenIn(await boundedText(stdin()), 'stdin'), place: 'stdin' }
  return { text: await fetchToken(operand), place: operand }
}

/** A token and where it was found. */
export interface TokenSource {
  readonly text: string
  /** For the report: a path, `stdin`, `$BEARER_TOKEN`, or the account or issuer. */
  readonly place: string
  /** Only of a file that Bearer Token Discovery has found. */
  readonly file?: TokenFile
}

/** A token file that programs find by themselves. */
export interface TokenFile {
  /** Permission bits, as of chmod. */
  readonly mode: number
  readonly bytes: number
  /** False: the token is wrapped in JSON. */
  readonly isBare: boolean
}

/**
 * The token that programs on this machine find (WLCG Bearer Token Discovery): the first place that is not
 * empty counts, and must hold a token. If the file in $XDG_RUNTIME_DIR is missing, the one in /tmp is
 * read, as by HTCondor and XRootD.
 * @throws AgentError `file-not-found` if no place holds anything, `file-malformed`, `file-unreadable`
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

async function tokenInFile(path: string): Promise<TokenSource> {
  const content = await contentOf(path)
  if (content === undefined)
    throw new AgentError('file-not-found', `${path}: there is no such file`)
  return { text: tokenIn(content, path), place: path }
}

/**
 * The token in a text.
 * @throws AgentError `file-malformed` with the place in its message
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

/** The text of a file; undefined if it does not exist. */
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

/** Longest text that is read. A sanity bound: a token has some kilobytes. */
const MAX_BYTES = 65_536

/**
 * The whole text of a stream.
 * @throws AgentError `file-malformed` if it is longer than {@link MAX_BYTES}
 */
async function boundedText(chunks: AsyncIterable<Buffer>): Promise<string> {
  const read: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) {
      throw new AgentError('file-malformed', `more than ${MAX_BYTES} bytes: this is not a token`)
    }
    read.push(chunk)
  }
  return Buffer.concat(read).toString()
}

/** The C `isspace` characters, which Bearer Token Discovery strips from both ends. */
const space = /^[ \f\n\r\t\v]+|[ \f\n\r\t\v]+$/g

/** RFC 6750 §2.1 `b64token`. */
const bearerToken = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * The access token in the text of a token file: the bare token (WLCG Bearer Token Discovery), or JSON with
 * an `access_token`, as in the `.use` files of HTCondor's OAuth credmon.
 * @throws AgentError `file-malformed` if it is neither
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
    // Not the parser's message: it may quote the text.
    throw new AgentError('file-malformed', 'the token file holds damaged JSON', { cause })
  }
}
