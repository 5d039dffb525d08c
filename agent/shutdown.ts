import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentContext } from './context.ts'

/** How long responses to refreshes are waited for: they may bring a new refresh token. It is awaited no longer than that, late or not. */
const LAST_RESPONSES_MS = 20_000
/** How long the rest may take after the last response, which a file on a dead mount may hold up for ever. */
const LAST_FILES_MS = 1500
/** How much of that refreshes have for their own saving: then every unsaved refresh token has one more try. */
const LAST_REFRESHES_MS = 500

/**
 * Ends what the agent does by itself, once its server is closed: no login is waited for, no token is
 * renewed, token files are removed unless they are to stay, and every refresh token is saved. Nothing but
 * the response to a refresh is waited for longer than 1.5 s; what was left undone is logged.
 */
export async function shutDown(context: AgentContext): Promise<void> {
  const { authorizationSessions, keyring, tokenFiles, provider, restrictedSockets, tokens } =
    context
  // Refreshes under way are waited for; renewals and refreshes that start now would only prolong that.
  keyring.close()
  tokens.close()
  const others = Promise.allSettled([
    restrictedSockets.closeAll(),
    authorizationSessions.close(),
    tokenFiles.close(),
  ])
  await firstOf(tokens.answered(), LAST_RESPONSES_MS)
  for (const name of tokens.awaited()) {
    context.log.warn(
      `the agent ends before the provider has answered a refresh of ${name}: if the provider replaced the refresh token, the login is lost`,
    )
  }
  await firstOf(Promise.all([others, saveRefreshTokens(context)]), LAST_FILES_MS)
  for (const { name, needsSaving } of keyring.all()) {
    if (!needsSaving) continue
    context.log.warn(
      `the agent ends before the new refresh token of ${name} could be saved: log in again with oidc-gen --reauthenticate ${name}`,
    )
  }
  await provider.close()
}

async function saveRefreshTokens({ tokens, keyring, writer }: AgentContext): Promise<void> {
  await firstOf(tokens.settled(), LAST_REFRESHES_MS)
  // At the same time: one that hangs must not hold up the others.
  const unsaved = keyring.all().filter(({ needsSaving }) => needsSaving)
  await Promise.all(unsaved.map((loaded) => writer.save(loaded)))
}

/** Resolves when `work` has ended, and after `ms` in any case. */
async function firstOf(work: Promise<unknown>, ms: number): Promise<void> {
  const end = new AbortController()
  const timeUp = sleep(ms, undefined, { signal: end.signal, ref: false }).catch(() => undefined)
  await Promise.race([work, timeUp])
  end.abort()
}
