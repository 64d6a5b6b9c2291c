import postgres from 'postgres'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { connect } from '../../worker/database/database.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

/** Settings of the database, for every session that does not override them. */
const ODD = {
  datestyle: 'German, DMY',
  intervalstyle: 'sql_standard',
  timezone: 'Asia/Kathmandu',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  xmloption: 'document',
  xmlbinary: 'hex',
  quote_all_identifiers: 'on',
  array_nulls: 'off',
  transform_null_equals: 'on',
  search_path: '',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  lock_timeout: '1ms',
  statement_timeout: '1ms',
  transaction_timeout: '1s',
  idle_session_timeout: '1s',
  idle_in_transaction_session_timeout: '1ms',
  lc_numeric: 'POSIX',
  lc_monetary: 'POSIX',
  lc_time: 'POSIX',
  standard_conforming_strings: 'off',
  backslash_quote: 'on',
  row_security: 'off',
  jit: 'on',
} as const

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ workers: false })
  const name = new URL(scene.databaseUrl).pathname.slice(1)
  for (const [setting, value] of Object.entries(ODD))
    await scene.sql.unsafe(`alter database ${name} set ${setting} = '${value}'`)
  await scene.startWorker()
})
afterAll(() => scene.stop())

test.each(['synchronous', 'asynchronous'] as const)(
  '%s: a change goes through, and its page and the lists say when',
  async (flow) => {
    await scene.sql`update shop_update.setting set value = to_jsonb(${flow}::text) where key = 'shop_update/flow'`
    await vi.waitFor(
      async () =>
        expect((await scene.api<{ workers: { flow: string }[] }>('/api/flow')).body.workers[0]).toMatchObject({ flow }),
      {
        timeout: 20_000,
        interval: 50,
      },
    )
    const before = Date.now() - 1000
    // Like Seller Center: with the settings of the database, except those that forbid writing.
    const connection = { default_transaction_read_only: 'off', statement_timeout: '60s', lock_timeout: '10s' } as object
    const sellerCenter = postgres(scene.databaseUrl, { max: 1, connection })
    const ids: string[] = []
    const { productIds } = await addSet(scene.sql)
    const created = await addSet(scene.sql, { inShop: false })
    try {
      for (const [topic, subject] of [
        ['price', { product_id: productIds[0]! }],
        ['stock', { product_id: productIds[0]! }],
        ['new_product_set', { product_set_id: created.setId }],
      ] as const) {
        const [name, id] = Object.entries(subject)[0]!
        const [row] = await sellerCenter.unsafe(`select shop_update.enqueue('${topic}', ${name} => ${id}) as id`)
        ids.push(row!.id)
      }
    } finally {
      await sellerCenter.end()
    }
    for (const id of ids) await scene.untilStatus(id, 'synced')
    const recent = (time: unknown) => {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/)
      expect(Date.parse(String(time))).toBeGreaterThan(before)
      expect(Date.parse(String(time))).toBeLessThan(Date.now() + 1000)
    }
    for (const id of ids) {
      const { status, body } = await scene.api<{
        queuedAt: string
        transitions: { at: string }[]
        calls: { sentAt: string; answeredAt: string }[]
      }>(`/api/items/${id}`)
      expect(status).toBe(200)
      for (const time of [
        body.queuedAt,
        ...body.transitions.map(({ at }) => at),
        ...body.calls.map(({ sentAt }) => sentAt),
      ])
        recent(time)
    }
    const { body } = await scene.api<{ items: { id: string; statusAt: string }[] }>('/api/items?tab=synced&limit=200')
    expect(body.items.map(({ id }) => id)).toEqual(expect.arrayContaining(ids))
    for (const { statusAt } of body.items) expect(Date.parse(statusAt)).toBeLessThan(Date.now() + 1000)
    for (const path of ['/api/summary', '/api/kpis', '/api/items?tab=pending', '/api/items?tab=failed']) {
      expect(await scene.api(path), path).toMatchObject({ status: 200 })
    }
  },
)

test('every list with a cursor goes on where it was', async () => {
  const first = await scene.api<{ items: { id: string }[]; nextCursor: string }>('/api/items?tab=synced&limit=2')
  const second = await scene.api<{ items: { id: string }[] }>(
    `/api/items?tab=synced&limit=2&cursor=${encodeURIComponent(first.body.nextCursor)}`,
  )
  expect(second.status).toBe(200)
  expect(new Set([...first.body.items, ...second.body.items].map(({ id }) => id)).size).toBe(4)
})

test('a connection leaves nothing to the database that changes a statement or the text of an answer', async () => {
  const sql = connect(scene.databaseUrl, { max: 1, name: 'test' })
  try {
    const left = await sql<{ name: string }[]>`select name from pg_settings where source = 'database'`
    expect(left.map(({ name }) => name)).toEqual(['search_path']) // statements name their schemas
  } finally {
    await sql.end()
  }
})

test('nothing is compiled just in time', async () => {
  const sql = connect(scene.databaseUrl, { max: 1, name: 'odd' })
  try {
    expect(await sql`show jit`).toEqual([{ jit: 'off' }])
  } finally {
    await sql.end()
  }
})
