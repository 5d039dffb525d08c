import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Finished, outputOf, shown } from '../support/command.ts'
import { addAccount, startLoaded } from '../support/loaded.ts'
import { Sandbox } from '../support/sandbox.ts'
import { PASSWORD, seedAccount } from '../support/seed-account.ts'
import { approveWhenShown } from '../support/shown-device-code.ts'
import { startWlcgProvider, type WlcgProvider } from '../support/wlcg-provider.ts'

let provider: WlcgProvider
let sandbox: Sandbox

beforeEach(async () => {
  provider = await startWlcgProvider({ rotate: true, pollSeconds: 1 })
  sandbox = await Sandbox.create()
})

afterEach(async () => {
  await sandbox.close()
  await provider.close()
})

/** Everything secret that went to the provider in the requests so far. */
function secretsSent(): string[] {
  return provider.counters.requests
    .flatMap(({ form, authorization }) => {
      const basic = Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64').toString()
      return [
        form['refresh_token'],
        form['client_secret'],
        form['device_code'],
        basic.split(':')[1],
      ]
    })
    .filter((secret) => secret !== undefined && secret !== '') as string[]
}

/** Reads the command lines of all processes over and over until stopped. */
function watchCommandLines(): { stop: () => Promise<string> } {
  const seen = new Set<string>()
  let watching = true
  const watch = async (): Promise<void> => {
    while (watching) {
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        seen.add(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
      }
    }
  }
  const done = watch()
  return {
    stop: async () => {
      watching = false
      await done
      return [...seen].join('\n')
    },
  }
}

describe('secrets', () => {
  test.skipIf(process.platform !== 'linux')(
    'secrets are in no output, no log and no command line',
    async () => {
      const commandLines = watchCommandLines()
      const log = join(sandbox.directory, 'log')
      const passwordFile = await sandbox.file('password', `${PASSWORD}\n`)
      const started = await sandbox.sh(`oidc-agent -g --log-stderr 2>'${log}'`)
      sandbox.adopt(outputOf(started))
      const said: Finished[] = []
      const run = async (command: string, ...args: string[]): Promise<Finished> => {
        const finished = await sandbox.run(command, args)
        said.push(finished)
        return finished
      }

      const gen = sandbox.start('oidc-gen', [
        ...['-g', '-w', 'device', `--iss=${provider.issuer}`, `--cp=${provider.caPath}`],
        ...['--scope=max', `--pw-file=${passwordFile}`, '--prompt=none', 'wlcg'],
      ])
      let text = ''
      gen.child.stderr?.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      await approveWhenShown(() => text, provider)
      said.push(await gen.finished)

      const tokens: string[] = []
      for (const audience of ['one', 'two']) {
        const { stdout } = await sandbox.run('oidc-token', ['-f', '--aud', audience, 'wlcg'])
        tokens.push(stdout.trim())
      }
      await run('oidc-token', '-s', 'compute.unheard-of', 'wlcg')
      await run('oidc-add', '-r', 'wlcg')
      await run('oidc-add', '-g', `--pw-file=${passwordFile}`, 'wlcg')
      await run('oidc-agent', '--status')
      await run('oidc-agent', '--status', '--json')
      await run('oidc-gen', '-l')

      // What IAM answers for a refresh token it does not know has the token in it (wlcg.md §6).
      provider.settings.onRequest = (request, response) => {
        if (request.url !== '/token') return false
        const sent = provider.counters.requests.at(-1)?.form['refresh_token'] ?? ''
        const body = { error: 'invalid_token', error_description: `Invalid refresh token: ${sent}` }
        response.writeHead(401, {
          'content-type': 'application/json',
          'www-authenticate': `Bearer error="invalid_token", error_description="Invalid refresh token: ${sent}"`,
        })
        response.end(JSON.stringify(body))
        return true
      }
      const refused = await run('oidc-token', '-f', 'wlcg')
      expect(refused).toMatchObject({ status: 1, stdout: '' })
      expect(refused.stderr).toContain('Invalid refresh token')
      await run('oidc-agent', '-k')

      const secrets = [PASSWORD, ...secretsSent(), ...tokens]
      expect(new Set(secrets).size).toBeGreaterThan(6)
      const places = {
        'the outputs': said.map(shown).join('\n'),
        'the log': await readFile(log, 'utf8'),
        'a command line': await commandLines.stop(),
      }
      expect(places['the log']).toContain('access_token')
      expect(places['a command line']).toContain('agent.cjs')
      for (const [place, content] of Object.entries(places)) {
        for (const secret of secrets) {
          expect(content.includes(secret), `${secret.slice(0, 6)}… stands in ${place}`).toBe(false)
        }
      }
    },
  )

  test('files with secrets are readable only by their owner', async () => {
    await startLoaded(sandbox, provider)
    outputOf(await sandbox.run('oidc-token', ['-f', 'wlcg']))
    const modes = outputOf(await sandbox.sh('find . ../tmp -type f -printf "%m %f\\n"'))
    expect(modes).toContain('600 wlcg\n')
    expect(modes.split('\n').filter((line) => line !== '' && !/^[0-7]00 /.test(line))).toEqual([])
  })
})

describe('shell commands on stdout', () => {
  const HOSTILE = `a'; touch pwned; '$(touch pwned)\`touch pwned\`; touch pwned #`

  test('a hostile provider cannot put commands into the output for a shell', async () => {
    provider.settings.rotate = false
    await startLoaded(sandbox, provider)
    provider.settings.onRequest = (request, response) => {
      if (request.url !== '/token') return false
      const body = { access_token: HOSTILE, token_type: 'Bearer', expires_in: 3600, scope: HOSTILE }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      return true
    }
    for (const form of ['-c', '-oX', '--token=X -iY -eZ', '-c -f']) {
      const { stdout, stderr } = await sandbox.sh(
        `eval "$(oidc-token ${form} --aud hostile${form.length} wlcg)"; ls; printf '%s' "\${OIDC_AT-$X}"`,
      )
      expect(`${stdout}${stderr}`).not.toMatch(/^pwned$/m)
      expect(stdout).toContain(HOSTILE)
    }
  })

  test('the name of a directory cannot put commands into the output for a shell', async () => {
    const name = "it's; touch pwned; $(touch pwned)"
    const { stdout } = await sandbox.sh(
      `mkdir "$D" && eval "$(oidc-agent -a "$D/sock")"; ls; printf '%s\\n' "$OIDC_SOCK"; oidc-agent -k`,
      { env: { D: `${sandbox.home}/${name}` } },
    )
    expect(stdout).not.toMatch(/^pwned$/m)
    expect(stdout).toContain(`${sandbox.home}/${name}/sock\n`)
  })

  test('an account whose name is a path is refused', async () => {
    await seedAccount(sandbox, provider, 'wlcg')
    await sandbox.startAgent()
    await addAccount(sandbox, 'wlcg')
    for (const name of ['../wlcg', '/etc/passwd', '.hidden']) {
      const { status, stdout } = await sandbox.run('oidc-add', ['--pw-env', name])
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    }
  })
})
