import type { Behaviour } from '../settings.ts'
import { conforming, rotating } from './conforming.ts'
import { entra } from './entra.ts'
import { google } from './google.ts'
import { iam } from './iam.ts'
import { keycloak } from './keycloak.ts'

export type Mode = 'conforming' | 'entra' | 'google' | 'iam' | 'keycloak' | 'rotating'

/** The behaviour of each mode. */
export const modes: Readonly<Record<Mode, Behaviour>> = {
  conforming,
  entra,
  google,
  iam,
  keycloak,
  rotating,
}
