import { inspect } from 'node:util'

/**
 * A value that does not print: refresh tokens, client secrets, passwords, and objects that hold such.
 * `reveal()` is the only way to the value and easy to search for.
 */
export class Secret<T = string> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  reveal(): T {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}

/** The secret of a text, or undefined where the text is absent or empty. */
export function secretOf(value: string | undefined): Secret | undefined {
  return value === undefined || value === '' ? undefined : new Secret(value)
}
