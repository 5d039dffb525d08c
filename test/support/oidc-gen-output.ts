import { approveDevice } from './approve.ts'
import { type Finished, type Started, shown } from './command.ts'
import { until } from './process-table.ts'
import type { Sandbox } from './sandbox.ts'
import type { WlcgProvider } from './wlcg-provider.ts'

/** A running oidc-gen that waits for the browser, and the authorization URL it shows. */
export interface StartedBrowserLogin extends Started {
  readonly address: string
  /** The redirect URI in the address. */
  readonly redirectUri: string
  readonly state: string
}

/** The authorization URL in the output of oidc-gen; undefined if it is not there yet. */
export function addressIn(text: string): string | undefined {
  return /Browser of your choice:\s+(https:\S+)\s/.exec(text)?.[1]
}

/** Starts oidc-gen and waits for the authorization URL. */
export async function startBrowserLogin(
  sandbox: Sandbox,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<StartedBrowserLogin> {
  const started = sandbox.start('oidc-gen', args, { env })
  let stderr = ''
  started.child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  let ended: Finished | undefined
  const finished = started.finished.then((end) => {
    ended = end
    return end
  })
  await until('an address', () => addressIn(stderr) !== undefined || ended !== undefined, 30_000)
  const address = addressIn(stderr)
  if (address === undefined) throw new Error(shown(await finished))
  const query = new URL(address).searchParams
  return {
    ...started,
    finished,
    address,
    redirectUri: query.get('redirect_uri') ?? '',
    state: query.get('state') ?? '',
  }
}

export interface ShownDeviceCode {
  readonly verificationUri: string
  readonly userCode: string
}

/** Address and user code in the output of oidc-gen, ours or the C program's; undefined if they are not there yet. */
export function deviceCodeIn(text: string): ShownDeviceCode | undefined {
  const [, verificationUri, userCode] =
    /visit:\s+(https:\S+)[\s\S]*?code: *([\w-]+)\s/.exec(text) ?? []
  if (verificationUri === undefined || userCode === undefined) return undefined
  return { verificationUri, userCode }
}

/** Waits until `text` shows a user code, and approves it. */
export async function approveWhenShown(text: () => string, provider: WlcgProvider): Promise<void> {
  await until('a device code', () => deviceCodeIn(text()) !== undefined, 30_000)
  const shown = deviceCodeIn(text())
  if (shown !== undefined) await approveDevice({ ...shown, caPem: provider.caPem })
}
