import type { AgentContext } from './context.ts'

/** How long refreshes under way are waited for: they may bring a new refresh token. It is awaited no longer than that, late or not. */
const LAST_REFRESHES_MS = 20_000

/**
 * Ends what the agent does by itself, once its server is closed: no login is waited for, no token is
 * renewed, token files are removed unless they are to stay, and every refresh token is saved.
 */
export async function shutDown(context: AgentContext): Promise<void> {
  const { authorizationSessions, keyring, tokenFiles, provider, restrictedSockets } = context
  await restrictedSockets.closeAll()
  await authorizationSessions.close()
  // Refreshes under way are waited for; renewals that start now would only prolong that.
  keyring.close()
  await tokenFiles.close()
  await saveRefreshTokens(context)
  await provider.close()
}

async function saveRefreshTokens({ tokens, keyring, writer, log }: AgentContext): Promise<void> {
  const timeUp = new Promise<void>((resolve) => setTimeout(resolve, LAST_REFRESHES_MS).unref())
  await Promise.race([tokens.settled(), timeUp])
  for (const name of tokens.awaited()) {
    log.warn(
      `the agent ends before the provider has answered a refresh of ${name}: if the provider replaced the refresh token, the login is lost`,
    )
  }
  // Each may wait for the lock of its file.
  const unsaved = keyring.all().filter((loaded) => loaded.needsSaving)
  await Promise.all(unsaved.map((loaded) => writer.save(loaded)))
}
