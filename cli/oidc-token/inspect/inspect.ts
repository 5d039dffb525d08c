import { resolve } from 'node:path'
import { agentAddresses, callAgent } from '../../../protocol/client.ts'
import { AgentError } from '../../../protocol/errors.ts'
import type { UnixSeconds } from '../../../protocol/messages.ts'
import { usageError } from '../../argv.ts'
import type { Io } from '../../run.ts'
import type { TokenOptions } from '../options.ts'
import { type Check, notOk } from './check.ts'
import { clientChecks } from './client-checks.ts'
import type { TokenSource } from './discovered-token.ts'
import { findToken, type InspectIo } from './find-token.ts'
import { evaluate, type TargetService } from './judge.ts'
import { isGood, type Report } from './report.ts'
import { reportJson } from './report-json.ts'
import { reportText } from './report-text.ts'
import { operationOf } from './service.ts'
import { tokenChecks } from './token-checks.ts'
import { readToken, type TokenClaims } from './token-facts.ts'

/**
 * `oidc-token --inspect`: shows what is in a token, and with --verify and --for what a service would
 * think of it. The token itself is neither printed nor sent anywhere.
 * @returns the exit status: 1 where something speaks against the token
 */
export async function inspectToken(
  operand: string | undefined,
  options: TokenOptions,
  { io, stdin = () => process.stdin }: Pick<InspectIo, 'io'> & Partial<InspectIo>,
): Promise<number> {
  refuseOthers(options)
  const purpose = purposeOf(options)
  const source = await findToken(operand, options, { io, stdin })
  const token = readToken(source.text)
  if (token === undefined) {
    throw new AgentError(
      'provider-answer',
      `the token from ${source.place} is no signed JWT: only its issuer knows what it stands for`,
      { hint: 'Services on the grid take only JWTs.' },
    )
  }
  const now = Math.floor(io.now() / 1000)
  const report: Report = {
    source,
    token,
    now,
    checks: await checksOf({ source, token, purpose, now, options, io }),
    target:
      options.for === undefined ? undefined : { url: options.for, operation: options.op ?? '' },
  }
  io.stdout.write(
    options.json ? `${JSON.stringify(reportJson(report), null, 2)}\n` : reportText(report),
  )
  return isGood(report) ? 0 : 1
}

interface Inspection {
  readonly source: TokenSource
  readonly token: TokenClaims
  readonly purpose: TargetService | undefined
  readonly now: UnixSeconds
  readonly options: TokenOptions
  readonly io: Io
}

async function checksOf(inspection: Inspection): Promise<readonly Check[]> {
  const { source, token, purpose, now, options, io } = inspection
  const forThis =
    purpose === undefined
      ? []
      : [...clientChecks(source, purpose.operation), ...evaluate(token, purpose, now)]
  if (!options.verify) return forThis
  // What is judged for one service is not judged once more for all.
  const names = new Set(forThis.map(({ name }) => name))
  const asSuch = tokenChecks(token, now).filter(({ name }) => !names.has(name))
  return [await signature(token, options, io), ...asSuch, ...forThis]
}

/** The agent fetches the keys, since it knows whom to trust for an issuer; nothing of the token goes there. */
async function signature(token: TokenClaims, { certPath }: TokenOptions, io: Io): Promise<Check> {
  const { issuer } = token
  if (issuer === undefined) return notOk('signature', 'cannot be checked: no issuer to ask')
  const cert_path = certPath === undefined ? undefined : resolve(certPath)
  try {
    const { local } = agentAddresses(io.env, io.uid)
    const { jwks } = await callAgent(local, { request: 'jwks', issuer, cert_path })
    const { signatureBy } = await import('./signature.ts')
    return await signatureBy(token, jwks)
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    const isUntrusted = error.code === 'tls' && certPath === undefined
    const more = isUntrusted ? '; --cert-path=FILE names an authority of its own' : ''
    return notOk('signature', `could not be checked: ${error.message}${more}`)
  }
}

function purposeOf(options: TokenOptions): TargetService | undefined {
  const { for: url, op, forAudience: audience } = options
  if (url !== undefined) return { operation: operationOf(url, op), audience }
  if (op === undefined && audience === undefined) return undefined
  throw usageError('--op and --for-audience go with --for=URL')
}

/** What prints or keeps a token is not for one that is looked at. */
function refuseOthers(options: TokenOptions): void {
  const { all, env, token, issuer, expiresAt, bearer, authHeader, file, fileStop } = options
  const given = [token, issuer, expiresAt, file, fileStop].some((value) => value !== undefined)
  if (given || all || env || bearer || authHeader) {
    throw usageError(
      'with --inspect the token is not printed: leave out -a, -c, -o, --file and the like',
    )
  }
}
