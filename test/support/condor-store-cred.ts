import { chmod, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { JsonObject } from '../../protocol/wire/messages.ts'

/** A call of the stand-in for `condor_store_cred`. */
export interface StoreCredCall {
  readonly argv: readonly string[]
  readonly stdin: string
}

/**
 * For tests: writes a stand-in for HTCondor's `condor_store_cred` into `directory`. It takes the
 * arguments of the real command's manual page, stores credentials as the credd does, ends with its exit
 * statuses (0 stored or found, 1 not found or failed, 2 found with other scopes or audience), and
 * records its calls. A file `status` in the directory makes it end with that status.
 */
export async function writeStoreCred(directory: string): Promise<void> {
  const path = join(directory, 'condor_store_cred')
  await writeFile(path, program)
  await chmod(path, 0o755)
}

/** The calls of the stand-in, in order. */
export async function storeCredCalls(directory: string): Promise<readonly StoreCredCall[]> {
  const text = await readFile(join(directory, 'calls'), 'utf8').catch(() => '')
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as StoreCredCall)
}

/** The credential stored under a name. */
export async function storedCredential(directory: string, name: string): Promise<JsonObject> {
  return JSON.parse(await readFile(join(directory, `${name}.use`), 'utf8')) as JsonObject
}

const program = `#!/usr/bin/env node
const fs = require('node:fs'), { join } = require('node:path'), { parseArgs } = require('node:util')
const [action, ...rest] = process.argv.slice(2)
const option = (short) => ({ type: 'string', short })
const { values } = parseArgs({ args: rest, options: {
  service: option('s'), handle: option('H'), scopes: option('S'), audience: option('A'),
  input: option('i'), machine: option('n'), user: option('u'),
} })
const stdin = values.input === '-' ? fs.readFileSync(0, 'utf8') : ''
const record = JSON.stringify({ argv: process.argv.slice(2), stdin })
fs.appendFileSync(join(__dirname, 'calls'), record + '\\n')
const end = (status, text) => { console.log(text); process.exit(status) }
const forced = join(__dirname, 'status')
if (fs.existsSync(forced)) end(Number(fs.readFileSync(forced, 'utf8')), 'cannot reach the credd')
if (!values.service) end(1, 'a service name is needed')
const name = values.handle ? values.service + '_' + values.handle : values.service
const file = join(__dirname, name + '.use')
const { scopes = '', audience = '' } = values
if (action === 'query-oauth') {
  if (!fs.existsSync(file)) end(1, 'Account: no credential')
  const stored = JSON.parse(fs.readFileSync(file, 'utf8'))
  const same = (stored.scopes ?? '') === scopes && (stored.audience ?? '') === audience
  end(same ? 0 : 2, same ? 'credential is stored' : 'credential does not match')
}
if (action !== 'add-oauth' || values.input !== '-') end(1, 'unknown action')
let credential = JSON.parse(stdin)
if (scopes) credential = { ...credential, scopes }
if (audience) credential = { ...credential, audience }
fs.writeFileSync(file, JSON.stringify(credential))
end(0, 'Operation succeeded.')
`

/** A PATH with the stand-in and with node, which runs it. */
export function pathTo(directory: string): string {
  return [directory, dirname(process.execPath), '/usr/bin', '/bin'].join(':')
}
