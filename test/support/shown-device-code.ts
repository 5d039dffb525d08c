import { approveDevice } from './approve.ts'
import { until } from './process-table.ts'
import type { WlcgProvider } from './wlcg-provider.ts'

export interface ShownDeviceCode {
  readonly verificationUri: string
  readonly userCode: string
}

/** Where oidc-gen, ours or the C program's, sends a person and with which code; undefined if not yet. */
export function deviceCodeIn(text: string): ShownDeviceCode | undefined {
  const [, verificationUri, userCode] =
    /visit:\s+(https:\S+)[\s\S]*?code: *([\w-]+)\s/.exec(text) ?? []
  if (verificationUri === undefined || userCode === undefined) return undefined
  return { verificationUri, userCode }
}

/** Waits until `text` shows where to go, and approves there. */
export async function approveWhenShown(text: () => string, provider: WlcgProvider): Promise<void> {
  await until('a device code', () => deviceCodeIn(text()) !== undefined, 30_000)
  const shown = deviceCodeIn(text())
  if (shown !== undefined) await approveDevice({ ...shown, caPem: provider.caPem })
}
