import { type Provider, refuse } from '../provider.ts'
import type { ReceivedRequest } from '../received-request.ts'
import type { Answer } from '../response.ts'
import type { Grant, KnownClient } from '../store.ts'

/** Answers one kind of token request, from a client that has proved itself. */
export type GrantHandler = (
  provider: Provider,
  client: KnownClient,
  request: ReceivedRequest,
) => Promise<Answer>

/** @throws Refused where the field is missing. */
export function field(provider: Provider, request: ReceivedRequest, name: string): string {
  return request.form[name] ?? refuse(provider, 'parameterMissing', name)
}

/**
 * Refuses tokens for people who may not have them at the moment. Neither answer means that what
 * the client holds is dead.
 * @throws Refused
 */
export function checkUser(provider: Provider, { subject }: Grant): void {
  const { user } = provider.settings
  if (user === 'inactive') refuse(provider, 'userInactive', subject)
  if (user === 'has a policy to sign') refuse(provider, 'policyUnsigned', subject)
}
