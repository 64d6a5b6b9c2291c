import type { Settings } from './troubles.ts'

/** JSON as the Shop writes it. Only characters in strings are escaped, so the meaning is the same. */
export function spelled(value: unknown, { escapesJson }: Settings): string {
  const text = JSON.stringify(value)
  if (!escapesJson) return text
  return text
    .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('/', '\\/')
}
