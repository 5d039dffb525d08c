import { accessSync, constants } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

/** The paths of the distributions' packages. */
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

const executablePath = places.find(isExecutable)

/** Why there is no browser for tests here; undefined if there is one. */
export const noBrowserReason: string | undefined =
  executablePath === undefined ? 'chromium is not installed' : undefined

/** Starts the browser of this system, without a window. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: executablePath ?? '',
    // Its sandbox needs an ordinary user, and permissions that containers lack; it opens only our pages.
    args: ['--no-sandbox'],
  })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
