import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadDemoCatalogue } from '../../demo/catalogue.ts'
import { seeded } from '../../demo/chance.ts'
import { streamChanges } from '../../demo/changes.ts'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'
import { createDatabase, type Database } from '../database.ts'

let database: Database

beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database?.drop())

it('the demo catalogue is loaded once, a third of it in the Shop', async () => {
  const { sql } = database
  expect(await loadDemoCatalogue(sql)).toEqual({ sellers: 12, productSets: 1500, products: 4211 })
  expect(await loadDemoCatalogue(sql)).toBeNull()
  const [share] = await sql`
    select count(*)::int as products, count(src_id)::int as "inShop", count(shop_sku)::int as "withSku",
      count(*) filter (where not active)::int as inactive, count(distinct qc_status)::int as "qcStatuses"
    from catalog.product`
  expect(share).toMatchObject({ products: 4211, qcStatuses: 3 })
  expect(share!.inShop / 4211).toBeCloseTo(1 / 3, 1)
  expect(share!.withSku).toBe(share!.inShop)
  expect(share!.inactive).toBeGreaterThan(50)
})

it('the stream of changes has every topic, half of it of the biggest seller, and stops at the signal', async () => {
  const { sql } = database
  const stop = new AbortController()
  const stream = streamChanges(sql, { perSecond: 5000, signal: stop.signal, random: seeded(1) })
  const topics = async () =>
    (await sql<{ topic: string }[]>`select distinct topic::text from shop_update.item`).map(({ topic }) => topic)
  await expect.poll(topics, { timeout: 20_000 }).toHaveLength(TOPIC_NAMES.length)
  await expect
    .poll(() => sql`select from shop_update.item`, { timeout: 20_000 })
    .toSatisfy((items: unknown[]) => items.length > 400)
  stop.abort()
  const queued = await stream
  const [items] = await sql`
    select sum(i.coalesced + 1)::int as changes,
      sum(i.coalesced + 1) filter (where r.name = 'Sphinx Department Store')::int as biggest
    from shop_update.item i join catalog.seller r on r.id = i.seller_id`
  expect(items!.changes).toBe(queued)
  expect(Math.abs(items!.biggest / items!.changes - 0.5)).toBeLessThan(0.15)
})

it('the stream ends at once where it waits for its next turn', async () => {
  const stop = new AbortController()
  const stream = streamChanges(database.sql, { perSecond: 0.001, signal: stop.signal })
  setTimeout(() => stop.abort(), 300)
  const begun = performance.now()
  await stream
  expect(performance.now() - begun).toBeLessThan(20_000)
})
