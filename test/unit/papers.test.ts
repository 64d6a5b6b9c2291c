import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { answers } from '../../docs/answers.ts'
import { configuration, openApiText } from '../../docs/generate.ts'
import { alertRules } from '../../provisioning/alerts/rules.ts'
import { SETTINGS } from '../../worker/config.ts'
import { REASONS, REFUSALS } from '../../worker/domain/reasons.ts'
import { retryTable } from '../../worker/domain/retry.ts'
import { STATUS_NAMES, STATUSES } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES, TOPICS } from '../../worker/domain/topics.ts'
import { EVENTS } from '../../worker/telemetry/telemetry.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const filesIn = (folder: string, name: RegExp) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => name.test(file))
    .map((file) => join(folder, file))
const found = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, first = '']) => first)

const DOCS = filesIn('docs', /\.md$/)
/** Papers by path, each with its headings. */
const PAPERS = new Map(
  ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...DOCS, ...filesIn('provisioning', /\.md$/)].map(
    (path) => [path, found(read(path), /^#+ (.+)$/gm)],
  ),
)

/**
 * Everything in a file that may be a comment, each on one line: in TypeScript, SQL, SQL inside TypeScript, and lines
 * that begin with #. A text that only looks like a comment does no harm.
 */
const commentsIn = (text: string) =>
  [...text.matchAll(/\/\*[\s\S]*?\*\/|(?:^|[ \t])(?:\/\/|--|#) .*(?:\n[ \t]*(?:\/\/|--|#) .*)*/gm)].map(([comment]) =>
    comment.replace(/\n[ \t]*(?:\*|\/\/|--|#)?[ \t]*/g, ' '),
  )

const NUMBERS = '((?:\\d+|[a-e]\\b|[, ]|and|to)+)'
const DECISIONS = new RegExp(`\\bdecisions? ${NUMBERS}`, 'gi')
const SECTIONS = new RegExp(`([\\w/.-]+\\.md), sections? ${NUMBERS}`, 'g')
const numbersIn = (text: string) => text.match(/\d+/g) ?? []

/**
 * What a comment cites: papers, decisions ("decision 7"), sections ("…md, section 4") and headings ("…md, "Columns"").
 */
function citations(comment: string, file: string): { cited: string; exists: boolean }[] {
  const headings = (path: string) => PAPERS.get(path) ?? []
  return [
    ...found(comment, /(?<![\w/.-])([\w/.-]+\.md)\b/g).map((cited) => ({
      cited,
      // outside of docs/ a name is enough
      exists:
        PAPERS.has(cited) ||
        existsSync(join(root, dirname(file), cited)) ||
        [...PAPERS.keys()].some((path) => !DOCS.includes(path) && basename(path) === cited),
    })),
    ...found(comment, DECISIONS)
      .flatMap(numbersIn)
      .map((n) => ({
        cited: `decision ${n}`,
        exists: headings('docs/decisions.md').some((heading) => heading.startsWith(`Decision ${n}: `)),
      })),
    ...[...comment.matchAll(SECTIONS)].flatMap(([, path = '', numbers = '']) =>
      numbersIn(numbers).map((n) => ({
        cited: `${path}, section ${n}`,
        exists: headings(path).some((heading) => heading.startsWith(`${n}. `)),
      })),
    ),
    ...[...comment.matchAll(/([\w/.-]+\.md), "([^"]+)"/g)].map(([, path = '', heading = '']) => ({
      cited: `${path}, "${heading}"`,
      exists: headings(path).includes(heading),
    })),
  ]
}

const missing = (text: string, file: string) =>
  commentsIn(text)
    .flatMap((comment) => citations(comment, file))
    .filter(({ exists }) => !exists)
    .map(({ cited }) => cited)

describe('what a comment cites exists', () => {
  const FILES = ['worker', 'plugin/src', 'sql', 'provisioning', 'test'].flatMap((folder) =>
    filesIn(folder, /\.(tsx?|sql|ya?ml|conf|sh)$/).filter((file) => join(root, file) !== import.meta.filename),
  )

  test('in all files', () => {
    expect(
      FILES.map((file) => ({ file, missing: missing(read(file), file) })).filter(
        ({ missing: none }) => none.length > 0,
      ),
    ).toEqual([])
  })

  test('the papers are cited', () => {
    const cited = new Set(
      FILES.flatMap((file) => commentsIn(read(file)).flatMap((comment) => citations(comment, file))).map(
        (each) => each.cited,
      ),
    )
    for (const paper of [
      'decision 7',
      'docs/shop-protocol.md, section 4',
      'docs/contract.md',
      'docs/requirements.md, "Columns"',
    ])
      expect(cited).toContain(paper)
  })

  test.each([
    ['/** See decision 99. */', ['decision 99']],
    ['// as before (decisions 3, 5 and\n  // 77)', ['decision 77']],
    ['select 1 -- Decision 5 c to e, not 0', []],
    ['-- decision 0: none\nselect 1', ['decision 0']],
    ['x: 1 # docs/nowhere.md', ['docs/nowhere.md']],
    ['/** shop-protocol.md, section 2 */', ['shop-protocol.md', 'shop-protocol.md, section 2']],
    ['/**\n * (docs/shop-protocol.md,\n * sections 2 to 9)\n */', ['docs/shop-protocol.md, section 9']],
    ['// docs/requirements.md, "Nothing"', ['docs/requirements.md, "Nothing"']],
    ['// docs/requirements.md, "Statuses", and runbooks.md', []],
    ["const url = 'http://a.example/decision 99'", []],
  ])('%j', (text, cites) => expect(missing(text, 'worker/life/item.ts')).toEqual(cites))
})

describe('the papers', () => {
  const anchor = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-')

  test.each([...PAPERS.keys()])('%s: its links lead somewhere', (paper) => {
    for (const link of found(read(paper), /\]\(([^)\s]+)\)/g).filter((each) => !/^\w+:/.test(each))) {
      const [path = '', fragment] = link.split('#')
      const target = path === '' ? paper : join(dirname(paper), path)
      expect(existsSync(join(root, target)), `${paper}: ${link}`).toBe(true)
      if (fragment !== undefined)
        expect((PAPERS.get(target) ?? []).map(anchor), `${paper}: ${link}`).toContain(fragment)
    }
  })

  test('README.md leads to each of docs/, and can be read to its end', () => {
    expect(found(read('README.md'), /\]\((docs\/[\w-]+\.md)\)/g)).toEqual(expect.arrayContaining(DOCS))
    expect(read('README.md').split('\n').length).toBeLessThan(120)
  })

  test('docs/configuration.md and docs/openapi.json are what `npm run papers` makes', () => {
    expect(read('docs/configuration.md')).toBe(configuration())
    expect(read('docs/openapi.json')).toBe(openApiText())
    expect(read('docs/answers.md')).toBe(answers())
  })

  test('CHANGELOG.md has a dated section of this version, and LICENSE says what package.json does', () => {
    const { version, license } = JSON.parse(read('package.json')) as { version: string; license: string }
    expect(read('CHANGELOG.md')).toMatch(
      new RegExp(`^## ${version.replaceAll('.', '\\.')} - \\d{4}-\\d{2}-\\d{2}$`, 'm'),
    )
    expect(license).toBe('UNLICENSED')
    expect(read('LICENSE')).toContain('All rights reserved.')
  })

  test.each(['README.md', 'CONTRIBUTING.md', ...DOCS])('%s: the files that it names are there', (paper) => {
    const named = found(read(paper), /`((?:worker|plugin|sql|provisioning|demo|docs|test)\/[\w./-]*)`/g)
    // created by npm run build
    expect(named.filter((path) => path !== 'plugin/dist' && !existsSync(join(root, path)))).toEqual([])
    expect(missing(`/* ${read(paper).replaceAll('*', '')} */`, paper)).toEqual([])
  })

  test('the decisions keep their numbers', () => {
    const numbers = found(read('docs/decisions.md'), /^## Decision (\d+): /gm).map(Number)
    expect(numbers).toEqual(numbers.map((_, place) => place + 1))
    expect(numbers.length).toBeGreaterThanOrEqual(26)
  })
})

test('.editorconfig says what biome.json does', () => {
  const { formatter } = JSON.parse(read('biome.json')) as { formatter: Record<string, string | number> }
  const [, all = ''] = /^\[\*\]\n([\s\S]*?)\n\n/m.exec(read('.editorconfig')) ?? []
  const { indent_style, indent_size, max_line_length } = Object.fromEntries(
    [...all.matchAll(/^(\w+) = (\w+)$/gm)].map(([, name, value]) => [name, value]),
  )
  expect([indent_style, Number(indent_size), Number(max_line_length)]).toEqual([
    formatter.indentStyle,
    formatter.indentWidth,
    formatter.lineWidth,
  ])
})

describe('the tables of the papers are those of the code', () => {
  const rows = (paper: string, pattern: RegExp) => [...read(paper).matchAll(pattern)].map(([, ...cells]) => cells)

  test('docs/shop-protocol.md: event name and method of each topic', () => {
    const told = rows('docs/shop-protocol.md', /^\| (.+?) \| `(product(?:set)?\/\w+)` \| `(Product\.\w+)` \|$/gm)
    expect(told.toSorted()).toEqual(
      Object.values(TOPICS)
        .map(({ label, event, method }) => [label, event, method])
        .toSorted(),
    )
  })

  test('docs/requirements.md: label of each topic and status', () => {
    const labels = found(read('docs/requirements.md'), /^\| (.+?) \|/gm)
    for (const { label } of [...Object.values(TOPICS), ...Object.values(STATUSES)]) expect(labels).toContain(label)
  })

  test('docs/requirements.md: the retry table', () => {
    const table = Object.fromEntries(
      rows('docs/requirements.md', /^\| (retry|minutes|total, DD:HH:MM) \| (.+) \|$/gm),
    ) as Record<string, string>
    const [retries = [], minutes = [], totals = []] = ['retry', 'minutes', 'total, DD:HH:MM'].map((name) =>
      table[name]?.split(/ ?\| ?/),
    )
    expect(retries.length).toBeGreaterThan(8)
    for (const [place, retry] of retries.entries()) {
      if (retry === '…') continue
      const row = retryTable(27, 60)[Number(retry) - 1]!
      expect([minutes[place], totals[place]]).toEqual([String(row.minutes), row.total])
    }
  })

  test('docs/architecture.md: the duties of the leader', () => {
    const seconds = (milliseconds: string) => Number(milliseconds.replaceAll('_', '')) / 1000
    const [duties = ''] = /const DUTIES = \{[\s\S]*?\}/.exec(read('worker/life/leader.ts')) ?? []
    const unit = { s: 1, min: 60, h: 3600 }
    expect(
      rows('docs/architecture.md', /^\| `(\w+)` \| (\d+) (s|min|h) \|/gm)
        .map(([duty, n, of]) => [duty, Number(n) * unit[of as keyof typeof unit]])
        .toSorted(),
    ).toEqual([...duties.matchAll(/(\w+): ([\d_]+)/g)].map(([, duty, every = '']) => [duty, seconds(every)]).toSorted())
  })
})

test('docs/telemetry.md has each metric, as Prometheus names it', () => {
  const names = ['worker/telemetry/instruments.ts', 'worker/telemetry/gauges.ts']
    .flatMap((file) => found(read(file), /'((?:shop_update|db|nodejs|v8js|process)(?:\.\w+)+)'/g))
    .filter((name) => !/^db\.(system|query)|^v8js.*name$/.test(name))
  expect(names.length).toBeGreaterThan(25)
  const told = found(read('docs/telemetry.md'), /`([a-z0-9_]+)`/g)
  for (const name of names)
    expect(
      told.find((each) => each.startsWith(name.replaceAll('.', '_'))),
      name,
    ).toBeTruthy()
})

describe('docs/contract.md has the names of the code', () => {
  const contract = read('docs/contract.md')
  const section = (heading: string) => {
    const [, text = ''] = new RegExp(`^#+ ${heading}\n([\\s\\S]*?)(?=^#|(?![\\s\\S]))`, 'm').exec(contract) ?? []
    return text
  }
  const named = (heading: string, pattern: RegExp) => found(section(heading), pattern).toSorted()
  const sorted = (names: Iterable<string>) => [...new Set(names)].toSorted()
  const inCode = (files: string[], pattern: RegExp) => sorted(files.flatMap((file) => found(read(file), pattern)))

  test('commands', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const { postinstall: _, ...commands } = scripts
    expect(named('Commands', /`npm (?:run )?([\w:]+)`/g)).toEqual(sorted(Object.keys(commands)))
  })

  test('settings', () => {
    expect(sorted(named('Settings', /`([A-Z][A-Z_]+)`/g))).toEqual(sorted(Object.values(SETTINGS).flatMap(Object.keys)))
  })

  test('topics, statuses, reasons', () => {
    const names = [...TOPIC_NAMES, ...STATUS_NAMES, ...REASONS, ...REFUSALS]
    expect(sorted(named('Topics, statuses, reasons', /`(\w+)`/g))).toEqual(sorted(names))
  })

  test('SQL', () => {
    const text = section('Database')
    const [views = ''] = /^- Views[\s\S]*?(?=^- )/m.exec(text) ?? []
    expect(sorted(found(views, /`shop_update\.(\w+)`/g))).toEqual(
      inCode(filesIn('sql/views', /\.sql$/), /^create view shop_update\.(\w+)/gm),
    )
    const [functions = ''] = /^- Functions[\s\S]*?(?=^- )/m.exec(text) ?? []
    const created = inCode(filesIn('sql/functions', /\.sql$/), /^create or replace function shop_update\.(\w+)/gm)
    expect(functions).not.toBe('')
    expect(created).toEqual(expect.arrayContaining(found(functions, /`shop_update\.(\w+)`/g)))
    const [roles = ''] = /array\[.*\] loop/.exec(read('sql/roles/roles.sql')) ?? []
    expect(named('Database', /`(shop_update_(?:read|worker|enqueue))`/g)).toEqual(sorted(found(roles, /'(\w+)'/g)))
  })

  test('routes', () => {
    const routes = filesIn('worker/api/internal', /\.ts$/).flatMap((file) =>
      [...read(file).matchAll(/method: '(\w+)',\s+path: '([^']+)'/g)].map(
        ([, method = '', path]) => `${method.toUpperCase()} ${path}`,
      ),
    )
    expect(named('HTTP', /`((?:GET|POST|PUT) \/api[^`]*)`/g)).toEqual(sorted(routes))
  })

  test('metrics', () => {
    const files = ['worker/telemetry/instruments.ts', 'worker/telemetry/gauges.ts']
    expect(named('Metrics', /`((?:shop_update|db)\.(?!system|query)[\w.]+)`/g)).toEqual(
      inCode(files, /'((?:shop_update|db)\.(?!system|query)[\w.]+)'/g),
    )
  })

  test('log lines', () => {
    const [lines = '', own = ''] = section('Log lines').split('that have a name:')
    expect(sorted(found(lines, /`(shop_update\.\w+)`/g))).toEqual(sorted(Object.values(EVENTS)))
    expect(sorted(found(own, /`(\w+)`/g))).toEqual(inCode(filesIn('worker', /\.ts$/), /'event\.name': '(\w+)'/g))
  })

  test('dashboards, data sources and alerts', () => {
    const dashboards = filesIn('provisioning/grafana/dashboards', /\.json$/).map((file) => basename(file, '.json'))
    const sources = found(read('provisioning/grafana/datasources/shop-update.yaml'), /^ {4}uid: (\S+)$/gm)
    expect(named('Grafana', /`(shop-update-\w+)`/g)).toEqual(sorted([...dashboards, ...sources]))
    expect(named('Alerts', /`(shop-update-[\w-]+)`/g)).toEqual(sorted(alertRules().map(({ uid }) => uid)))
  })
})
