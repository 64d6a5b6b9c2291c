import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')
const shown = [...read('SECURITY.md').matchAll(/`(test\/[\w/.-]+\.test\.ts)`: ((?:"[^"]+"(?:, )?)+)/g)].map(
  ([, file, names]) => [file!, [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!)],
) as [string, string[]][]

test.each(shown)('SECURITY.md names tests that are in %s', (file, names) => {
  const text = read(file)
  for (const name of names) expect(text).toContain(name)
})

test('every row of SECURITY.md has a test', () => {
  const rows = read('SECURITY.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| who sends what'))
  expect(rows.length).toBeGreaterThan(15)
  for (const row of rows) expect(row).toMatch(/`test\/[\w/.-]+\.test\.ts`: "/)
})
