import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from './usage-error.ts'

/**
 * Checks that every line that `worker/patches` adds to a package is there. `npm ci --ignore-scripts` omits them, and an
 * unpatched client works until a connection is lost.
 *
 * @throws UsageError with one sentence that says what to do
 */
export async function checkPatches(root = join(import.meta.dirname, '..')): Promise<void> {
  const folder = join(root, 'worker/patches')
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.patch'))) {
    const [, ...files] = (await readFile(join(folder, name), 'utf8')).split(/^diff --git a\/.* b\//m)
    for (const file of files) {
      const [path = '', ...lines] = file.split('\n')
      const there = new Set(await linesOf(join(root, path)))
      if (lines.some((line) => line.startsWith('+') && !line.startsWith('+++ ') && !there.has(line.slice(1))))
        throw new UsageError(`${path} lacks what worker/patches/${name} mends: run "npm ci" without --ignore-scripts.`)
    }
  }
}

async function linesOf(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
