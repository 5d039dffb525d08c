import type { Terminal } from '../../cli/terminal.ts'
import { AgentError } from '../../protocol/wire/errors.ts'

/** For tests: a question the terminal is to be asked, by its beginning, and what is answered. */
export type Turn = readonly [question: string, answer: string | AgentError]

/** For tests: a person at a terminal. */
export interface ScriptedTerminal extends Terminal {
  /** Questions and what was shown between them, in order. */
  readonly screen: readonly string[]
  /** Questions not asked yet. */
  readonly left: readonly Turn[]
  readonly closed: boolean
}

/** A terminal at which `turns` happen in this order; any other question fails the test. */
export function scriptedTerminal(...turns: readonly Turn[]): ScriptedTerminal {
  const left = [...turns]
  const screen: string[] = []
  let closed = false
  const answer = (question: string): Promise<string> => {
    screen.push(question)
    const [expected, given] = left.shift() ?? ['no more questions', '']
    if (!question.startsWith(expected)) {
      return Promise.reject(new Error(`asked "${question}" instead of "${expected}"`))
    }
    return given instanceof AgentError ? Promise.reject(given) : Promise.resolve(given)
  }
  return {
    screen,
    left,
    get closed() {
      return closed
    },
    async ask(question, options = {}) {
      const fallback = options.default
      const given = await answer(fallback === undefined ? question : `${question} [${fallback}]`)
      return given === '' ? (fallback ?? '') : given
    },
    askSecret: answer,
    say: (text) => void screen.push(text),
    close: () => {
      closed = true
    },
  }
}
