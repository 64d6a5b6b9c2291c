import type { Sql } from '../queue/database.ts'
import type { FileSet } from './parse.ts'

export interface Loaded {
  products: number
  productSets: number
  images: number
}

/**
 * Writes sets into the catalogue in one transaction: all of them or none. What was there before is found again by seller, handle and seller
 * SKU and is brought up to date; ids, and what the Shop has given (src_id, shop_sku), stay. The images of a set become those of the file.
 * Sellers and products become active and approved. What is no longer in the file is left alone: a file may be a part of the catalogue.
 *
 * A row that would not change is not written, so that loading a file again holds up no worker.
 *
 * @param enqueue also queue everything that was loaded, as if it were new
 */
export async function loadCatalogue(sql: Sql, sets: readonly FileSet[], { enqueue = false } = {}): Promise<Loaded> {
  // A queue that no worker has opened yet has no room for today. Not in the transaction below: workers would wait for its end.
  if (enqueue) await sql`select shop_update.partition_days(7, 36500)`
  for (let attempt = 1; ; attempt++) {
    try {
      return await loadOnce(sql, sets, enqueue)
    } catch (error) {
      // Workers write to the same products, in an order of their own.
      if ((error as { code?: string }).code !== '40P01' || attempt === 5) throw error
    }
  }
}

const loadOnce = (sql: Sql, sets: readonly FileSet[], enqueue: boolean): Promise<Loaded> =>
  sql.begin(async (tx) => {
    await tx`set local statement_timeout = 0`
    // One import after the other: two of the same file would both find a set missing.
    await tx`select pg_advisory_xact_lock(hashtext('catalog.import'))`

    const sellers = [...new Set(sets.map(({ seller }) => seller))]
    await tx`
      merge into catalog.seller r using unnest(${sellers}::text[]) x (name) on r.name = x.name
      when matched and not r.active then update set active = true
      when not matched then insert (name) values (x.name)`

    const sellerOfSet = sets.map(({ seller }) => seller)
    const handles = sets.map(({ handle }) => handle)
    await tx`
      merge into catalog.product_set s
      using (
        select r.id as seller_id, x.handle, x.title, x.brand, x.primary_category,
          array(select jsonb_array_elements_text(x.categories::jsonb)) as categories
        from unnest(${sellerOfSet}::text[], ${handles}::text[], ${sets.map(({ title }) => title)}::text[],
          ${sets.map(({ brand }) => brand)}::text[], ${sets.map(({ primaryCategory }) => primaryCategory)}::text[],
          ${sets.map(({ categories }) => JSON.stringify(categories))}::text[]) x (seller, handle, title, brand, primary_category, categories)
        join catalog.seller r on r.name = x.seller
      ) x on s.seller_id = x.seller_id and s.handle = x.handle
      when matched and (s.title, s.brand, s.primary_category, s.categories) is distinct from (x.title, x.brand, x.primary_category, x.categories)
        then update set title = x.title, brand = x.brand, primary_category = x.primary_category, categories = x.categories
      when not matched then insert (seller_id, handle, title, brand, primary_category, categories)
        values (x.seller_id, x.handle, x.title, x.brand, x.primary_category, x.categories)`

    const found = await tx<{ id: string }[]>`
      select s.id from unnest(${sellerOfSet}::text[], ${handles}::text[]) with ordinality x (seller, handle, n)
      join catalog.seller r on r.name = x.seller
      join catalog.product_set s on s.seller_id = r.id and s.handle = x.handle
      order by x.n`
    const setIds = found.map(({ id }) => id)
    const descriptions = sets.map(({ description }) => description)
    const products = sets.flatMap((set, index) => set.products.map((product) => ({ ...product, setId: setIds[index]! })))
    const images = sets.flatMap((set, index) => set.images.map((image) => ({ ...image, setId: setIds[index]! })))

    // An export knows no dates of a special price: those that were set here hold as long as there is a special price.
    await tx`
      merge into catalog.product p
      using (
        select x.set_id, x.seller_sku, s.title, d.description, x.barcode, x.price, x.special_price, x.stock, x.attributes::jsonb as attributes
        from unnest(${products.map(({ setId }) => setId)}::bigint[], ${products.map(({ sellerSku }) => sellerSku)}::text[],
          ${products.map(({ barcode }) => barcode)}::text[], ${products.map(({ price }) => price)}::numeric(12, 2)[],
          ${products.map(({ specialPrice }) => specialPrice)}::numeric(12, 2)[], ${products.map(({ stock }) => stock)}::int[],
          ${products.map(({ attributes }) => JSON.stringify(attributes))}::text[])
          x (set_id, seller_sku, barcode, price, special_price, stock, attributes)
        join unnest(${setIds}::bigint[], ${descriptions}::text[]) d (set_id, description) on d.set_id = x.set_id
        join catalog.product_set s on s.id = x.set_id
      ) x on p.product_set_id = x.set_id and p.seller_sku = x.seller_sku
      when matched
        and (p.active, p.qc_status, p.title, p.description, p.barcode, p.price, p.special_price, p.stock, p.attributes)
          is distinct from (true, 'approved', x.title, x.description, x.barcode, x.price, x.special_price, x.stock, x.attributes)
        then update set active = true, qc_status = 'approved', title = x.title, description = x.description, barcode = x.barcode,
          price = x.price, special_price = x.special_price, stock = x.stock, attributes = x.attributes,
          special_from = case when x.special_price is not null then p.special_from end,
          special_to = case when x.special_price is not null then p.special_to end
      when not matched
        then insert (product_set_id, seller_sku, title, description, barcode, price, special_price, stock, attributes)
        values (x.set_id, x.seller_sku, x.title, x.description, x.barcode, x.price, x.special_price, x.stock, x.attributes)`

    await tx`delete from catalog.product_image where product_set_id = any (${setIds}::bigint[])`
    await tx`
      insert into catalog.product_image (product_set_id, position, url, hash)
      select * from unnest(${images.map(({ setId }) => setId)}::bigint[], ${images.map(({ position }) => position)}::int[],
        ${images.map(({ url }) => url)}::text[], ${images.map(({ hash }) => hash)}::text[])`

    if (enqueue) {
      await tx`
        select count(shop_update.enqueue(t.topic, product_set_id => x.id))
        from unnest(${setIds}::bigint[]) x (id) cross join (values ('new_product_set'), ('images')) t (topic)`
      await tx`
        select count(shop_update.enqueue(t.topic, product_id => p.id))
        from unnest(${products.map(({ setId }) => setId)}::bigint[], ${products.map(({ sellerSku }) => sellerSku)}::text[]) x (set_id, seller_sku)
        join catalog.product p on p.product_set_id = x.set_id and p.seller_sku = x.seller_sku
        cross join (values ('price'), ('stock')) t (topic)`
    }
    return { products: products.length, productSets: sets.length, images: images.length }
  })
