/**
 * Whom a white list lets in, where that is not what a white list is for: everybody, by a range with no fixed bit, or
 * nobody.
 */
export function letsIn(entries: readonly string[]): 'everybody' | 'nobody' | 'some' {
  if (entries.length === 0) return 'nobody'
  return entries.some((entry) => /\/0+$/.test(entry.trim())) ? 'everybody' : 'some'
}
