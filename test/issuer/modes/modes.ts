import type { Behaviour } from '../behaviour.ts'
import { conforming } from './conforming.ts'
import { entra } from './entra.ts'
import { google } from './google.ts'
import { iam } from './iam.ts'
import { keycloak } from './keycloak.ts'
import { rotating } from './rotating.ts'

export type Mode = 'conforming' | 'entra' | 'google' | 'iam' | 'keycloak' | 'rotating'

/** The providers there are. */
export const modes: Readonly<Record<Mode, Behaviour>> = {
  conforming,
  entra,
  google,
  iam,
  keycloak,
  rotating,
}
