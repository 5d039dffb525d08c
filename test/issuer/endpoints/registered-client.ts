import { bearerToken } from '../bearer-token.ts'
import { type Endpoint, type Provider, refuse } from '../provider.ts'
import type { ReceivedRequest } from '../received-request.ts'
import { registrationAnswer } from '../registration-response.ts'
import { empty, json } from '../response.ts'
import { type KnownClient, unguessable } from '../store.ts'
import { checkMetadata, newClient } from './registration.ts'

/** RFC 7592 §2: reads, changes or deletes what was registered. */
export const registeredClient: Endpoint = (provider, request) => {
  const client = clientOf(provider, request)
  switch (request.method) {
    case 'GET':
      return json(
        200,
        registrationAnswer(provider, renewed(provider, client), tokenShown(provider)),
      )
    case 'PUT': {
      const wish =
        request.json ?? refuse(provider, 'registrationInvalid', 'the body is no JSON object')
      checkMetadata(provider, wish)
      const changed = newClient(provider, wish, client)
      provider.store.clients.set(client.id, changed)
      return json(200, registrationAnswer(provider, changed, { withToken: true }))
    }
    case 'DELETE':
      provider.store.clients.delete(client.id)
      return empty(204)
    default:
      return empty(405)
  }
}

/** The client with its next token, where each use ends the last one. */
function renewed({ store, settings }: Provider, client: KnownClient): KnownClient {
  if (!settings.registrationTokenRotates || client.registration === undefined) return client
  const next = { ...client, registration: { ...client.registration, token: unguessable() } }
  store.clients.set(client.id, next)
  return next
}

/** wlcg.md §6: IAM's answer to a GET omits the token. */
function tokenShown({ settings }: Provider): { withToken: boolean } {
  return { withToken: settings.registrationAnswer === 'RFC 7591' }
}

function clientOf(provider: Provider, request: ReceivedRequest): KnownClient {
  const id = request.path.slice(request.path.lastIndexOf('/') + 1)
  const client = provider.store.clients.get(id)
  if (client?.registration === undefined) return refuse(provider, 'registrationUnknown', id)
  if (client.registration.token !== bearerToken(request)) {
    return refuse(provider, 'registrationDenied', 'wrong registration access token')
  }
  return client
}
