import { outputOf, runCommand, secondUser } from './command.ts'

/** A process of another uid, with the groups it has. */
export interface OtherUser {
  readonly uid: number
  readonly gid: number
}

/** Another uid of a group; undefined if we are not root. */
export function otherUserOf(gid: number): OtherUser | undefined {
  return secondUser === undefined ? undefined : { uid: secondUser.uid, gid }
}

const ASK = `
  const socket = require('node:net').connect(process.argv[1])
  const show = (value) => process.stdout.write(String(value))
  socket.on('connect', () => socket.write(process.argv[2]))
  socket.on('data', show).on('error', (error) => show(error.code))
`

const CHANGE = `
  const fs = require('node:fs'), path = process.argv[1]
  const attempts = {
    unlink: () => fs.unlinkSync(path),
    rename: () => fs.renameSync(path, path + '.moved'),
    replace: () => fs.writeFileSync(path + '.new', ''),
    list: () => fs.readdirSync(require('node:path').dirname(path)),
  }
  const codeOf = (work) => { try { work(); return 'done' } catch ({ code }) { return code } }
  const results = Object.entries(attempts).map(([name, work]) => [name, codeOf(work)])
  process.stdout.write(JSON.stringify(Object.fromEntries(results)))
`

/** Sends `request` to a socket as another user. Returns the reply, or the code of the system error. */
export function askAs(user: OtherUser, socketPath: string, request: object): Promise<string> {
  return runScript(user, ASK, [socketPath, JSON.stringify(request)])
}

/** Tries to change or list the directory of a socket as another user. Returns the result of each attempt. */
export async function changeAs(user: OtherUser, socketPath: string): Promise<unknown> {
  return JSON.parse(await runScript(user, CHANGE, [socketPath]))
}

async function runScript(
  user: OtherUser,
  script: string,
  args: readonly string[],
): Promise<string> {
  const options = { ...user, env: {}, cwd: '/' }
  return outputOf(await runCommand(process.execPath, ['-e', script, ...args], options))
}
