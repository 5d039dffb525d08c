/** A JSON object, as it is sent or as it came. */
export type Fields = Readonly<Record<string, unknown>>

/** What an endpoint says; an object is sent as JSON, a text as the headers name it. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Fields | string | undefined
}

/** An answer as every OAuth endpoint gives it (RFC 6749 §5.1). */
export function json(status: number, body: Fields, headers: Answer['headers'] = {}): Answer {
  return { status, headers: { 'cache-control': 'no-store', pragma: 'no-cache', ...headers }, body }
}

/** An answer without a body. */
export function empty(status: number): Answer {
  return { status, headers: {}, body: undefined }
}

/** A page for people. */
export function html(status: number, title: string, content = ''): Answer {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: `<!doctype html><html><head><title>${title}</title></head><body><h1>${title}</h1>${content}</body></html>`,
  }
}
