import type { Io } from './run.ts'
import { visibleText } from './visible-text.ts'

/** Says what an agent's reply tells besides, such as what the provider granted otherwise than asked. */
export function printInfo(info: string | undefined, { stderr }: Pick<Io, 'stderr'>): void {
  if (info !== undefined) stderr.write(`${visibleText(info)}\n`)
}
