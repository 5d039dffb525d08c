import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StreamTerminal } from './terminal.ts'

/** A terminal whose keys are typed by the test and whose screen it can read. */
function screenAndKeys(): {
  terminal: StreamTerminal
  type: (keys: string | Uint8Array) => void
  screen: () => string
  raw: boolean[]
  /** For each stop of the job, whether the terminal was raw then. */
  stops: (boolean | undefined)[]
  /** How often the job was interrupted. */
  interrupts: () => number
} {
  const raw: boolean[] = []
  const stops: (boolean | undefined)[] = []
  let interrupts = 0
  const input = Object.assign(new PassThrough(), { setRawMode: (on: boolean) => raw.push(on) })
  const output = new PassThrough()
  let shown = ''
  output.on('data', (chunk: Buffer) => {
    shown += chunk.toString()
  })
  return {
    terminal: new StreamTerminal({
      input,
      output,
      stopJob: () => stops.push(raw.at(-1)),
      interruptJob: () => {
        interrupts += 1
      },
    }),
    type: (keys) => input.write(keys),
    screen: () => shown,
    raw,
    stops,
    interrupts: () => interrupts,
  }
}

const cancelled = expect.objectContaining({ code: 'cancelled' }) as Error
const noTerminal = expect.objectContaining({ code: 'no-terminal' }) as Error

describe('A question at the terminal', () => {
  test('a question shows its default, which an empty line means', async () => {
    const { terminal, type, screen } = screenAndKeys()
    const answer = terminal.ask('Issuer', { default: 'https://op' })
    type('\r')
    expect(await answer).toBe('https://op')
    expect(screen()).toContain('Issuer [https://op]: ')
  })

  test('a question without a default accepts an empty line', async () => {
    const { terminal, type, screen } = screenAndKeys()
    const answer = terminal.ask('Issuer')
    type('\r')
    expect(await answer).toBe('')
    expect(screen()).toContain('Issuer: ')
  })

  test('the answer to a question is shown while it is typed', async () => {
    const { terminal, type, screen } = screenAndKeys()
    const answer = terminal.ask('Name')
    type('wlcg\r')
    expect(await answer).toBe('wlcg')
    expect(screen()).toContain('wlcg')
  })
})

test('foreign text in a question or a message does not command the terminal', async () => {
  const { terminal, type, screen } = screenAndKeys()
  terminal.say('scopes: a\u001b[2J\u202eb\nand c')
  expect(screen()).toBe('scopes: a?[2J?b\nand c\n')
  const answer = terminal.ask('Issuer\u009b1m', { default: 'https://op\u0007' })
  type('\r')
  await answer
  expect(screen()).toContain('Issuer?1m [https://op?]: ')
})

describe('A secret at the terminal', () => {
  test('a secret is never shown, and the cursor moves to a new line after it', async () => {
    const { terminal, type, screen } = screenAndKeys()
    const answer = terminal.askSecret('Password')
    type('hunter2\r')
    expect(await answer).toBe('hunter2')
    expect(screen()).not.toMatch(/[h2*]u?/)
    expect(screen()).toMatch(/Password: .*\n$/)
  })

  test.each([
    ['backspace', 'ax\x7fb\r', 'ab'],
    ['backspace over a letter of two bytes', 'aä\x7fb\r', 'ab'],
    ['Ctrl-U', 'wrong\x15right\r', 'right'],
    ['Ctrl-W', 'one two\x17three\r', 'one three'],
    ['Ctrl-D in the line', 'ab\x04\r', 'ab'],
    ['a tab', 'a\tb\r', 'a\tb'],
    ['spaces around', ' a \r', ' a '],
    ['line feed as end', 'ab\n', 'ab'],
  ])('a secret can be edited: %s', async (_, keys, password) => {
    const { terminal, type } = screenAndKeys()
    const answer = terminal.askSecret('Password')
    type(keys)
    expect(await answer).toBe(password)
  })

  test('a secret is complete in whatever chunks its bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme' }).filter((text) => !/\p{Cc}/u.test(text)),
        fc.integer({ min: 1, max: 5 }),
        async (password, step) => {
          const { terminal, type, screen } = screenAndKeys()
          const answer = terminal.askSecret('?')
          const bytes = Buffer.from(`${password}\r`)
          for (let at = 0; at < bytes.length; at += step) type(bytes.subarray(at, at + step))
          expect(await answer).toBe(password)
          expect(screen().replace(/\x1b\[\w+/g, '')).toBe('?: \n')
        },
      ),
    )
  })
})

describe('Pasted text', () => {
  test('lines pasted together answer the next questions, and secrets among them are not shown', async () => {
    const { terminal, type, screen } = screenAndKeys()
    const name = terminal.ask('Name')
    type('wlcg\rhunter2\rhunter2\rrest')
    expect(await name).toBe('wlcg')
    expect(await terminal.askSecret('Password')).toBe('hunter2')
    expect(await terminal.askSecret('Again')).toBe('hunter2')
    const last = terminal.ask('Last')
    type(' typed\r')
    expect(await last).toBe('rest typed')
    expect(screen()).not.toContain('hunter2')
  })
})

describe('The end of a question', () => {
  test.each([
    ['Ctrl-C', 'abc\x03', cancelled, 1],
    ['Ctrl-D on an empty line', '\x04', noTerminal, 0],
  ])('%s ends a question and restores the terminal', async (_, keys, error, times) => {
    const { terminal, type, raw, screen, interrupts } = screenAndKeys()
    const answer = terminal.askSecret('Password')
    expect(raw).toEqual([true])
    type(keys)
    await expect(answer).rejects.toEqual(error)
    expect(interrupts()).toBe(times)
    expect(raw).toEqual([true, false])
    expect(screen()).toMatch(/\n$/)
  })

  test('Ctrl-Z stops the job with the terminal restored, and the question continues afterwards', async () => {
    const { terminal, type, raw, stops, screen } = screenAndKeys()
    const answer = terminal.askSecret('Password')
    type('pass\x1a')
    expect(stops).toEqual([false])
    process.emit('SIGCONT')
    expect(raw).toEqual([true, false, true])
    type('word\r')
    expect(await answer).toBe('password')
    expect(screen().match(/Password: /g)).toHaveLength(2)
  })

  test('a lost terminal ends a question', async () => {
    const input = new PassThrough()
    const terminal = new StreamTerminal({
      input,
      output: new PassThrough().resume(),
      stopJob: () => undefined,
      interruptJob: () => undefined,
    })
    const answer = terminal.ask('Name')
    input.destroy(new Error('EIO'))
    await expect(answer).rejects.toEqual(noTerminal)
    await expect(terminal.ask('Again')).rejects.toEqual(noTerminal)
  })

  test('the end of the input ends a question', async () => {
    const input = new PassThrough()
    const terminal = new StreamTerminal({
      input,
      output: new PassThrough().resume(),
      stopJob: () => undefined,
      interruptJob: () => undefined,
    })
    const answer = terminal.ask('Name')
    input.end()
    await expect(answer).rejects.toEqual(noTerminal)
  })

  test('a question whose answer is no longer needed releases the terminal', async () => {
    const { terminal, type } = screenAndKeys()
    const settled = new AbortController()
    const answer = terminal.ask('Name', { signal: settled.signal })
    type('half')
    settled.abort()
    await expect(answer).rejects.toEqual(cancelled)
    const next = terminal.ask('Next')
    type('whole\r')
    expect(await next).toBe('whole')
  })

  test('a question leaves no signal listener behind', async () => {
    const before = process.listenerCount('SIGTERM')
    const { terminal, type } = screenAndKeys()
    for (let round = 0; round < 20; round++) {
      const answer = terminal.ask('Name')
      expect(process.listenerCount('SIGTERM')).toBe(before + 1)
      type('x\r')
      await answer
    }
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })
})
