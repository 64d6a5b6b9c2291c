import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** The formatter does not wrap texts, SQL and comments: their lines are held to the same width here. */
const ROOT = join(import.meta.dirname, '..', '..')
const WIDTH = 120
/** Migrations are never changed once applied. */
const LEFT_OUT = ['**/node_modules/**', '**/dist/**', 'sql/migrations/**']

test(`no line is wider than ${WIDTH} characters`, () => {
  const files = globSync('**/*.{ts,tsx,sql}', { cwd: ROOT, exclude: LEFT_OUT })
  expect(files.length).toBeGreaterThan(150)
  const wide = files.flatMap((file) =>
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => ([...line].length > WIDTH ? [`${file}:${index + 1}`] : [])),
  )
  expect(wide).toEqual([])
})
