import type { Endpoint } from '../provider.ts'
import { json } from '../response.ts'

/** RFC 7517 §5; wlcg.md §6, "Lifetimes": good for six hours. */
export const jwks: Endpoint = ({ key }) =>
  json(200, { keys: [key.jwk] }, { 'cache-control': 'public, max-age=21600' })
