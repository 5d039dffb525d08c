import type { Terminal } from '../../cli/terminal.ts'
import { AgentError } from '../../protocol/wire/errors.ts'

/** For tests: the beginning of an expected question, and its answer. */
export type Turn = readonly [question: string, answer: string | AgentError]

/** For tests: a terminal with scripted answers. */
export interface ScriptedTerminal extends Terminal {
  /** Questions and texts, in order. */
  readonly screen: readonly string[]
  /** The questions that have not been asked yet. */
  readonly left: readonly Turn[]
  readonly closed: boolean
}

/** A terminal that expects the questions in this order; any other question fails the test. */
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
