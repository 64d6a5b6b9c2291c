import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'

/** The map of docs/architecture.md against the imports: the map has every arrow, and no other. */
const ROOT = join(import.meta.dirname, '..', '..')
const MAP = readFileSync(join(ROOT, 'docs', 'architecture.md'), 'utf8')
  .split('## Arrows')[1]!
  .split('\n## ')[0]!

const list = (text: string) => text.split(',').map((name) => name.trim())
const arrows = [...MAP.matchAll(/^- ([a-z]+) → ([a-z, ]+)$/gm)].flatMap(([, from, to]) =>
  list(to!).map((room) => `${from} → ${room}`),
)
const tools = [.../^(`[\s\S]*?)\sare tools/m.exec(MAP)![1]!.matchAll(/`([\w-]+)\.ts`/g)].map(([, name]) => name!)

function roomOf(file: string): string {
  const [top, second] = file.split('/')
  return top === 'worker' ? second!.replace(/\.ts$/, '') : top!
}

interface Import {
  from: string
  to: string
}
const imports: Import[] = globSync(['worker/**/*.ts', 'plugin/src/**/*.{ts,tsx}', 'provisioning/**/*.ts'], {
  cwd: ROOT,
}).flatMap((file) => {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].flatMap(([, path]) => {
    const to = normalize(join(dirname(file), path!))
    return existsSync(join(ROOT, to)) && /\.tsx?$/.test(to) ? [{ from: file, to }] : []
  })
})
const between = imports.filter(({ from, to }) => roomOf(from) !== roomOf(to))

test('the map and the imports were read', () => {
  expect(arrows.length).toBeGreaterThan(20)
  expect(tools.length).toBeGreaterThan(5)
  expect(between.length).toBeGreaterThan(200)
})

test('no import runs where the map has no arrow', () => {
  const strange = between.filter(({ from, to }) => {
    const [room, other] = [roomOf(from), roomOf(to)]
    if (other === 'domain') return false
    if (tools.includes(other) && room !== 'domain' && room !== 'shop') return false
    if (tools.includes(room)) return other !== 'database' && !arrows.includes(`${room} → ${other}`)
    return !arrows.includes(`${room} → ${other}`)
  })
  expect(strange.map(({ from, to }) => `${from} → ${to}`)).toEqual([])
})

test('every arrow of the map is there', () => {
  const there = new Set(between.map(({ from, to }) => `${roomOf(from)} → ${roomOf(to)}`))
  expect(arrows.filter((arrow) => !there.has(arrow))).toEqual([])
})

test('no file leads back to itself', () => {
  const to = Map.groupBy(imports, ({ from }) => from)
  const done = new Set<string>()
  const circles: string[] = []
  const walk = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' → '))
    if (done.has(file) || way.includes(file)) return
    for (const next of to.get(file) ?? []) walk(next.to, [...way, file])
    done.add(file)
  }
  for (const file of to.keys()) walk(file, [])
  expect(circles).toEqual([])
})
