/** Entries kept at most, and bytes in each: it holds a registration for the minutes a login takes. */
const MAX_ENTRIES = 100
const MAX_ENTRY_CHARACTERS = 100_000

/**
 * The small store in which the C tools park a client registration (protocol.md §2.4, file_write).
 * As theirs: a name written twice keeps both, reads give the oldest, a remove uncovers the next.
 */
export class ScratchStore {
  readonly #entries: { readonly filename: string; readonly data: string }[] = []

  write(filename: string, data: string): void {
    if (data.length > MAX_ENTRY_CHARACTERS) return
    if (this.#entries.length >= MAX_ENTRIES) this.#entries.shift()
    this.#entries.push({ filename, data })
  }

  read(filename: string): string | undefined {
    return this.#entries.find((entry) => entry.filename === filename)?.data
  }

  remove(filename: string): void {
    const index = this.#entries.findIndex((entry) => entry.filename === filename)
    if (index >= 0) this.#entries.splice(index, 1)
  }
}
