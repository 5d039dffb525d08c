/** Entries kept, at most; the oldest is dropped. One is a client registration during a login. */
const MAX_ENTRIES = 100
/** Longest entry, in characters. A longer one is not stored; a registration has some kilobytes. */
const MAX_ENTRY_CHARACTERS = 100_000

/**
 * Memory in which the C oidc-gen stores a client registration during a login (protocol.md §2.4,
 * file_write). As in the C agent, a name may be written more than once: {@link read} returns the oldest
 * entry, {@link remove} removes it.
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
