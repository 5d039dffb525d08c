import { type Finished, type Started, shown } from './command.ts'
import { until } from './process-table.ts'
import type { Sandbox } from './sandbox.ts'

/** An oidc-gen that waits for a browser, and where it sends it. */
export interface StartedBrowserLogin extends Started {
  readonly address: string
  /** Where the browser is to come back. */
  readonly redirectUri: string
  readonly state: string
}

/** Where oidc-gen sends the person's browser; undefined if not yet. */
export function addressIn(text: string): string | undefined {
  return /Browser of your choice:\s+(https:\S+)\s/.exec(text)?.[1]
}

/** Starts oidc-gen and waits for the address it shows. */
export async function startBrowserLogin(
  sandbox: Sandbox,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<StartedBrowserLogin> {
  const started = sandbox.start('oidc-gen', args, { env })
  let said = ''
  started.child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  let ended: Finished | undefined
  const finished = started.finished.then((end) => {
    ended = end
    return end
  })
  await until('an address', () => addressIn(said) !== undefined || ended !== undefined, 30_000)
  const address = addressIn(said)
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
