import { resolve } from 'node:path'
import { agentAddresses, callAgent } from '../../../protocol/client/call.ts'
import { AgentError } from '../../../protocol/wire/errors.ts'
import type { UnixSeconds } from '../../../protocol/wire/messages.ts'
import { usageError } from '../../arguments.ts'
import type { Io } from '../../run.ts'
import type { TokenOptions } from '../options.ts'
import { audienceAt, computeAccess, storageAccess } from './access.ts'
import { type Check, type CheckName, clientChecks, notOk, tokenChecks } from './checks.ts'
import { readToken, type TokenClaims } from './claims.ts'
import { type Operation, operationOf } from './operation.ts'
import { isGood, type Report, reportJson, reportText } from './report.ts'
import { findToken, type InspectIo, type TokenSource } from './source.ts'

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

/** What a token is to be judged for. */
export interface TargetService {
  readonly operation: Operation
  /** The name under which the service takes tokens, where the person knows it. */
  readonly audience: string | undefined
}

/** What a service would look at if the token came for this, in its order; the signature left out. */
export function evaluate(
  token: TokenClaims,
  { operation, audience }: TargetService,
  now: UnixSeconds,
): readonly Check[] {
  const asSuch = tokenChecks(token, now).filter(({ name }) => matters(name, token, operation))
  const access =
    operation.kind === 'storage'
      ? storageAccess(token, operation)
      : computeAccess(token, operation.name)
  return [...asSuch, audienceAt(token, operation, audience), access]
}

function matters(name: CheckName, { profile }: TokenClaims, operation: Operation): boolean {
  // Without a profile the token is taken; its scopes are what then counts for little.
  if (name === 'profile') return profile.kind !== 'none'
  if (name === 'size') return operation.kind === 'storage' && operation.protocol === 'root'
  // Judged for the one service and the one path.
  return name !== 'audience' && name !== 'paths'
}
