import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { outputOf } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { type StartedBrowserLogin, startBrowserLogin } from '../support/oidc-gen-output.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, SCOPE } from '../support/seed-account.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'
import { launchBrowser, noBrowserReason } from './chromium.ts'

/** If set, the pictures in docs/ are replaced. */
const takesPictures = process.env['TAKE_SCREENSHOTS'] === '1'
const DOCS = join(import.meta.dirname, '..', '..', 'docs')

const desktop = { width: 1280, height: 800 }
const phone = { width: 390, height: 844 }
const smallPhone = { width: 320, height: 568 }

describe.skipIf(noBrowserReason !== undefined)(
  `login in Chromium${noBrowserReason === undefined ? '' : ` (skipped: ${noBrowserReason})`}`,
  () => {
    let browser: Browser
    let provider: WlcgProvider
    let sandbox: Sandbox
    let page: Page
    let port: number
    /** Console messages of the browser on our page, e.g. a style that the page's policy forbids. */
    let complaints: string[]
    /** Every address that the browser requested. */
    let asked: string[]

    beforeAll(async () => {
      browser = await launchBrowser()
    })

    afterAll(async () => {
      await browser.close()
    })

    beforeEach(async () => {
      port = await freePort()
      provider = await startWlcgProvider({
        clients: [
          {
            client_id: 'given',
            client_secret: 'of the person',
            scope: SCOPE,
            application_type: 'native',
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            redirect_uris: [`http://localhost:${port}`],
          },
        ],
      })
      sandbox = await Sandbox.create()
      await sandbox.startAgent()
      const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: desktop })
      page = await context.newPage()
      complaints = []
      asked = []
      page.on('console', (message) => {
        if (isOurs(message.location().url)) complaints.push(message.text())
      })
      page.on('request', (request) => asked.push(request.url()))
    })

    afterEach(async () => {
      await page.context().close()
      await sandbox.close()
      await provider.close()
    })

    function start(): Promise<StartedBrowserLogin> {
      return startBrowserLogin(
        sandbox,
        [
          ...['-m', '--client-id=given', '--client-secret=of the person', `--port=${port}`],
          ...[`--iss=${provider.issuer}`, `--cp=${provider.caPath}`, `--scope=${SCOPE}`],
          ...['-w', 'code', '--pw-env', '--prompt=none', '--no-url-call', 'wlcg'],
        ],
        { OIDC_ENCRYPTION_PW: PASSWORD },
      )
    }

    function isOurs(url: string): boolean {
      return url.startsWith(`http://localhost:${port}`)
    }

    /** The text of the page, with its origin for the report. */
    async function shownText(): Promise<string> {
      return `${new URL(page.url()).origin} ${await page.locator('body').innerText()}`
    }

    async function picture(name: string): Promise<void> {
      if (!takesPictures) return
      await mkdir(DOCS, { recursive: true })
      await page.screenshot({ path: join(DOCS, `${name}.png`) })
    }

    /** Whether the page fits without horizontal scrolling. */
    async function fits(): Promise<boolean> {
      return page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')
    }

    /** The background of the card, which comes from the page's own style. */
    async function colour(): Promise<unknown> {
      return page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
    }

    async function looksGood(name: string): Promise<void> {
      expect(await colour()).toBe('rgb(255, 255, 255)')
      await picture(name)
      await page.setViewportSize(phone)
      expect(await fits()).toBe(true)
      await picture(`${name}-phone`)
      await page.setViewportSize(smallPhone)
      expect(await fits()).toBe(true)
      await page.emulateMedia({ colorScheme: 'dark' })
      expect(await colour()).toBe('rgb(26, 34, 44)')
    }

    test('a granted login shows the result page, saves the account and gives a token', async () => {
      const { address, redirectUri, finished } = await start()
      await page.goto(address)
      await page.locator('input[name=login]').fill('alice')
      await page.locator('input[name=password]').fill('secret')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('button', { name: 'Allow' }).click()
      await page.waitForURL((url) => url.port === String(port))

      await expect.poll(shownText, { timeout: 15_000 }).toContain('You are logged in')
      expect(await page.locator('dl').innerText()).toContain('wlcg')
      expect(await page.locator('dl').innerText()).toContain(provider.issuer)
      expect(await page.getByText('You can close this window').isVisible()).toBe(true)
      await looksGood('login-success')
      expect(complaints).toEqual([])
      const ours = asked.filter((url) => !url.startsWith(provider.issuer))
      expect(ours).toEqual([page.url()])

      expect(outputOf(await finished)).toContain('Everything setup correctly!')
      expect(outputOf(await sandbox.run('oidc-token', ['wlcg']))).toMatch(/^ey\S+\n$/)
      // The result page is not kept, and the port is closed.
      await expect(page.goto(redirectUri)).rejects.toThrow('ERR_CONNECTION_REFUSED')
    })

    test('a denied login is reported by the result page and by oidc-gen', async () => {
      const { address, finished } = await start()
      await page.goto(address)
      await page.locator('input[name=login]').fill('alice')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('button', { name: 'Cancel' }).click()
      await page.waitForURL((url) => url.port === String(port))

      await expect.poll(shownText, { timeout: 15_000 }).toContain('Access was not granted')
      expect(await page.locator('dl').innerText()).toContain('access_denied: the person said no')
      await looksGood('login-denied')
      // Only the status of the page itself is logged: the policy blocks nothing.
      expect(complaints.filter((text) => !text.includes('status of 400'))).toEqual([])
      expect((await finished).stderr).toContain('Error: access_denied: the person said no')
    })

    test('a page of another origin cannot read, frame or end the login', async () => {
      const { address, redirectUri, state, child, finished } = await start()
      await page.goto(address)
      const target = `${redirectUri}/?error=access_denied`
      const read = page.evaluate(`fetch(${JSON.stringify(target)})`)
      await expect(read).rejects.toThrow('Failed to fetch')
      const answer = await fetch(`${redirectUri}/?error=access_denied&state=x${state}`)
      expect(answer.status).toBe(400)
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      expect(answer.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      // The login still waits.
      expect((await fetch(redirectUri)).status).toBe(400)
      child.kill('SIGINT')
      await finished
    })
  },
)
