import type { Behaviour } from '../behaviour.ts'
import { conforming } from './conforming.ts'

/** A provider that takes RFC 9700 §4.14.2 at its word: an old refresh token costs all of them. */
export const rotating: Behaviour = {
  ...conforming,
  product: 'a provider that rotates',
  rotation: 'new one, reuse revokes the family',
}
