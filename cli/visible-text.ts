/**
 * `text` without what a terminal would obey: control characters but ends of line and tabs are shown as
 * `?`. Error texts and hints hold what providers said.
 */
export function visibleText(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '?')
}
