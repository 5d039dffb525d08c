import { resolve } from 'node:path'
import { agentAddresses, callAgent } from '../../../protocol/client/call.ts'
import { AgentError } from '../../../protocol/wire/errors.ts'
import type { UnixSeconds } from '../../../protocol/wire/messages.ts'
import { usageError } from '../../arguments.ts'
import type { Io } from '../../run.ts'
import { audienceAt, computeAccess, storageAccess } from './access.ts'
import { type Check, type CheckName, clientChecks, notOk, tokenChecks } from './checks.ts'
import { readToken, type TokenClaims } from './claims.ts'
import { type Operation, type OperationName, operationOf } from './operation.ts'
import { isGood, type Report, reportJson, reportText } from './report.ts'
import { findToken, type InspectContext, type TokenSource } from './source.ts'

/** The options of the command line that `--inspect` uses. */
export interface InspectOptions {
  readonly tokenFile: string | undefined
  readonly verify: boolean
  readonly certPath: string | undefined
  /** A URL. */
  readonly for: string | undefined
  readonly op: OperationName | undefined
  readonly forAudience: string | undefined
  readonly json: boolean
}

/**
 * `oidc-token --inspect`: shows the content of a token; with --verify and --for, whether a service
 * accepts it. The token itself is neither printed nor sent.
 * @returns the exit status: 1 if a check fails
 * @throws AgentError `provider-answer` if the token is not a JWT; `usage`, or why there is no token
 */
export async function inspectToken(
  operand: string | undefined,
  options: InspectOptions,
  context: InspectContext,
): Promise<number> {
  const { io } = context
  const operation = requestedOperation(options)
  const source = await findToken(operand, options.tokenFile, context)
  const token = readToken(source.text)
  if (token === undefined) {
    throw new AgentError(
      'provider-answer',
      `the token from ${source.place} is not a signed JWT: only its issuer can read it`,
      { hint: 'Services on the grid accept only JWTs.' },
    )
  }
  const now = Math.floor(io.now() / 1000)
  const report: Report = {
    source,
    token,
    now,
    checks: await checksOf({ source, token, operation, now, options, io }),
    target:
      options.for === undefined ? undefined : { url: options.for, operation: options.op ?? '' },
  }
  io.stdout.write(options.json ? reportJson(report) : reportText(report))
  return isGood(report) ? 0 : 1
}

function requestedOperation(options: InspectOptions): Operation | undefined {
  const { for: url, op, forAudience } = options
  if (url !== undefined) return operationOf(url, op, forAudience)
  if (op === undefined && forAudience === undefined) return undefined
  throw usageError('--op and --for-audience go with --for=URL')
}

interface Inspection {
  readonly source: TokenSource
  readonly token: TokenClaims
  readonly operation: Operation | undefined
  readonly now: UnixSeconds
  readonly options: InspectOptions
  readonly io: Io
}

/** The checks of --for, and of --verify those that --for has not made. */
async function checksOf(inspection: Inspection): Promise<readonly Check[]> {
  const { source, token, operation, now, options, io } = inspection
  const forOperation =
    operation === undefined
      ? []
      : [...clientChecks(source, operation), ...evaluate(token, operation, now)]
  if (!options.verify) return forOperation
  const names = new Set(forOperation.map(({ name }) => name))
  const others = tokenChecks(token, now).filter(({ name }) => !names.has(name))
  return [await signatureCheck(token, options, io), ...others, ...forOperation]
}

/**
 * The signature, checked with keys that the agent fetches: it knows which authorities to trust for an
 * issuer. The agent gets the issuer, and nothing else of the token.
 */
async function signatureCheck(
  token: TokenClaims,
  { certPath }: InspectOptions,
  io: Io,
): Promise<Check> {
  const { issuer } = token
  if (issuer === undefined)
    return notOk('signature', 'cannot be checked: the token names no issuer')
  const cert_path = certPath === undefined ? undefined : resolve(certPath)
  try {
    const { local } = agentAddresses(io.env, io.uid)
    const { jwks } = await callAgent(local, { request: 'jwks', issuer, cert_path })
    const { signatureBy } = await import('./signature.ts')
    return await signatureBy(token, jwks)
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    const isUntrusted = error.code === 'tls' && certPath === undefined
    const hint = isUntrusted ? '; to trust another authority: --cert-path=FILE' : ''
    return notOk('signature', `could not be checked: ${error.message}${hint}`)
  }
}

/** The checks of a service that gets the token for `operation`, in its order, without the signature. */
export function evaluate(
  token: TokenClaims,
  operation: Operation,
  now: UnixSeconds,
): readonly Check[] {
  const general = tokenChecks(token, now).filter(({ name }) => isRelevant(name, token, operation))
  const access =
    operation.kind === 'storage'
      ? storageAccess(token, operation)
      : computeAccess(token, operation.name)
  return [...general, audienceAt(token, operation), access]
}

function isRelevant(name: CheckName, { profile }: TokenClaims, operation: Operation): boolean {
  // A token without a profile is accepted; the access check then ignores the scopes of WLCG.
  if (name === 'profile') return profile.kind !== 'none'
  if (name === 'size') return operation.kind === 'storage' && operation.protocol === 'root'
  // Checked for the one service and the one path.
  return name !== 'audience' && name !== 'paths'
}
