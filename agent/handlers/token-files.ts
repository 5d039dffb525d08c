import { identityOfProcess, type ProcessIdentity } from '../../protocol/storage/process-identity.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import type { TokenFileRequest } from '../../protocol/wire/messages.ts'
import type { Handler } from '../context.ts'
import { joinedLines, requestedToken } from '../tokens/granted-scope.ts'
import { assertConfirmed, assertWithinGrant, findAccount } from './tokens.ts'

/** Makes a file beside the token file, which the client is to read. */
export const tokenFileProbe: Handler<'token_file_probe'> = async ({ path }, { probeFiles }) => ({
  status: 'success',
  name: await probeFiles.make(path),
})

/** Writes a token to a file and keeps it fresh, for a client that sees the file as the agent does. */
export const tokenFile: Handler<'token_file'> = async (request, context, signal) => {
  await context.probeFiles.redeem(request.path, request.probe)
  const loaded = await findAccount(request, context)
  assertConfirmed(loaded, context)
  const requested = requestedToken(request.scope, request.audience)
  await assertWithinGrant(loaded, requested, context, signal)
  const { path, scope, audience } = request
  const entry = {
    path,
    account: loaded.name,
    scope,
    audience,
    minValidSeconds: request.min_valid_period ?? 0,
    strict: request.strict ?? false,
    keepOnExit: request.leave ?? false,
    owner: ownerOf(request),
  }
  const { tokenFiles } = context
  const token =
    request.once === true
      ? await tokenFiles.writeOnce(entry, signal)
      : await tokenFiles.keep(entry, signal)
  const info = joinedLines(token.differences, token.notes)
  return { status: 'success', path, expires_at: Math.floor(token.expiresAt), info }
}

/** Stops keeping a token file and removes it. */
export const tokenFileStop: Handler<'token_file_stop'> = async ({ path }, { tokenFiles }) => {
  if (await tokenFiles.stop(path)) return { status: 'success' }
  throw new AgentError('file-not-found', `this agent does not keep the file ${path}`, {
    hint: 'To list the token files that it keeps:\n\t$ oidc-agent --status',
  })
}

function ownerOf(request: TokenFileRequest): ProcessIdentity | undefined {
  const { owner_pid: pid, owner_started: started } = request
  if (pid === undefined) return undefined
  const owner = identityOfProcess(pid)
  const isSame = started === undefined || owner?.started === started
  if (owner !== undefined && isSame) return owner
  throw new AgentError('bad-request', `Bad Request: the agent finds no process with the pid ${pid}`)
}
