import { callAgent } from '../../protocol/client.ts'
import { tokenFileLine } from '../../protocol/token-file-line.ts'
import { visibleText } from '../visible-text.ts'
import type { AddSetting } from './setting.ts'

/** `-a`: the token files the agent keeps fresh. Only for a person: scripts read account names there. */
export async function printTokenFiles({ io, agent }: AddSetting): Promise<void> {
  if (io.stdout.isTTY !== true) return
  const { info } = await callAgent(agent, { request: 'status_json' })
  const files = info.token_files ?? []
  if (files.length > 0) io.stdout.write('The following token files are kept fresh: \n')
  for (const file of files) io.stdout.write(`${visibleText(tokenFileLine(file))}\n`)
}
