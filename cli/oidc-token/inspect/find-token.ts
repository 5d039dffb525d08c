import { usageError } from '../../argv.ts'
import type { Io } from '../../run.ts'
import { printInfo } from '../../tell-info.ts'
import type { TokenOptions } from '../options.ts'
import { printable } from '../output.ts'
import { requestAccessToken, requestIdToken, tokenSelection } from '../wanted-token.ts'
import { boundedText } from './bounded-text.ts'
import { discoveredToken, type TokenSource, tokenIn, tokenInFile } from './discovered-token.ts'

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
