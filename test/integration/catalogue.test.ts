import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Scene, startScene } from '../scene.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** One per line; CI names real catalogues beside the repository. */
const FILES = (process.env.CATALOGUE_FILES ?? join(ROOT, 'test/fixtures/catalogue.csv')).split('\n').filter(Boolean)

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.stop())

const NAMES = FILES.map((file) => file.split('/').at(-1)).join(', ')
test(`a catalogue that is queued in the wrong order is Synced as a whole: ${NAMES}`, async () => {
  const { sql } = scene
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'worker/import.ts'), ...FILES], {
    env: { PATH: process.env.PATH ?? '', DATABASE_URL: scene.databaseUrl },
  })
  expect(stdout.match(/^Loaded \d+ products? in \d+ product sets? with \d+ images? from /gm)).toHaveLength(FILES.length)
  const [there] = await sql<{ sets: number; products: number }[]>`
    select (select count(*)::int from catalog.product_set) as sets,
      (select count(*)::int from catalog.product) as products`

  await sql`
    select shop_update.enqueue('stock', product_id => id), shop_update.enqueue('price', product_id => id)
    from catalog.product`
  await sql`select shop_update.enqueue('images', product_set_id => id) from catalog.product_set`
  const early = 2 * there!.products + there!.sets
  await vi.waitFor(
    async () => {
      const [blocked] =
        await sql`select count(*)::int as n from shop_update.item where status = 'blocked' and reason = 'not_in_shop'`
      expect(blocked).toEqual({ n: early })
    },
    { timeout: 20_000, interval: 50 },
  )

  await sql`select shop_update.enqueue('new_product_set', product_set_id => id) from catalog.product_set`
  await vi.waitFor(
    async () => expect((await sql`select count(*)::int as n from shop_update.item`)[0]).toEqual({ n: 0 }),
    {
      timeout: 20_000,
      interval: 50,
    },
  )
  expect(await sql`select status, reason, count(*)::int as n from shop_update.finished_item group by 1, 2`).toEqual([
    { status: 'synced', reason: null, n: early + there!.sets },
  ])

  // the Shop's ids for its own products are in the catalogue; nothing was created twice
  const inShop = await scene.control<{ id: string; sku: string }[]>('/products')
  const catalogue = await sql<{ src_id: string; shop_sku: string }[]>`select src_id, shop_sku from catalog.product`
  expect(new Set(catalogue.map((product) => `${product.src_id} ${product.shop_sku}`))).toEqual(
    new Set(inShop.map(({ id, sku }) => `${id} ${sku}`)),
  )
  expect(await scene.control('/stats')).toMatchObject({ creates: there!.products, duplicateCreates: 0 })
  expect(await sql`select outcome, count(*)::int as n from shop_update.call group by outcome`).toEqual([
    { outcome: 'success', n: early + there!.sets },
  ])
  expect(await sql`select from catalog.product_set where src_id is null`).toHaveLength(0)
  expect(await sql`select from catalog.product where src_updated_at is null`).toHaveLength(0)
})
