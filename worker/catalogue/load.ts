import { type Sql, transaction } from '../database/database.ts'
import type { FileSet } from './parse.ts'

export interface Loaded {
  products: number
  productSets: number
  images: number
}

/**
 * Writes sets into the catalogue in one transaction: all of them or none. Existing rows are found by seller, handle and
 * seller SKU and updated. Ids, the Shop's values (src_id, shop_sku), and stock that the file does not contain stay. A
 * set's images become those of the file. Sellers and products become active and approved. What the file no longer
 * contains is left alone: a file may be part of the catalogue.
 *
 * A row that would not change is neither written nor locked, so loading a file again holds up no worker. New rows get
 * their ids in the order of the file.
 *
 * @param enqueue also queue everything that was loaded, as if it were new
 */
export async function loadCatalogue(sql: Sql, sets: readonly FileSet[], { enqueue = false } = {}): Promise<Loaded> {
  // If no worker has opened the queue yet, it has no partition for today. Not inside the transaction below: workers
  // would wait for it.
  if (enqueue) await sql`select shop_update.partition_days(7, 36500)`
  for (let attempt = 1; ; attempt++) {
    try {
      return await loadOnce(sql, sets, enqueue)
    } catch (error) {
      // Workers write to the same products in a different order.
      if ((error as { code?: string }).code !== '40P01' || attempt === 5) throw error
    }
  }
}

const loadOnce = (sql: Sql, sets: readonly FileSet[], enqueue: boolean): Promise<Loaded> =>
  transaction(sql, async (tx) => {
    await tx`set local statement_timeout = 0`
    // One import at a time: two of the same file would both find a set missing.
    await tx`select pg_advisory_xact_lock(hashtext('catalog.import'))`

    const sellers = [...new Set(sets.map(({ seller }) => seller))]
    await tx`
      merge into catalog.seller r using unnest(${sellers}::text[]) x (name) on r.name = x.name
      when matched and not r.active then update set active = true
      when not matched then insert (name) values (x.name)`

    const sellerOfSet = sets.map(({ seller }) => seller)
    const handles = sets.map(({ handle }) => handle)
    await tx`
      with file as (
        select r.id as seller_id, x.handle, x.title, x.brand, x.primary_category, x.n,
          array(select jsonb_array_elements_text(x.categories::jsonb)) as categories
        from unnest(
          ${sellerOfSet}::text[],
          ${handles}::text[],
          ${sets.map(({ title }) => title)}::text[],
          ${sets.map(({ brand }) => brand)}::text[],
          ${sets.map(({ primaryCategory }) => primaryCategory)}::text[],
          ${sets.map(({ categories }) => JSON.stringify(categories))}::text[]
        ) with ordinality x (seller, handle, title, brand, primary_category, categories, n)
        join catalog.seller r on r.name = x.seller
      ),
      known as (
        update catalog.product_set s
        set title = f.title, brand = f.brand, primary_category = f.primary_category, categories = f.categories
        from file f
        where s.seller_id = f.seller_id and s.handle = f.handle
          and (s.title, s.brand, s.primary_category, s.categories)
            is distinct from (f.title, f.brand, f.primary_category, f.categories)
      )
      insert into catalog.product_set (seller_id, handle, title, brand, primary_category, categories)
      select seller_id, handle, title, brand, primary_category, categories from file order by n
      on conflict (seller_id, handle) do nothing`

    const found = await tx<{ id: string }[]>`
      select s.id from unnest(${sellerOfSet}::text[], ${handles}::text[]) with ordinality x (seller, handle, n)
      join catalog.seller r on r.name = x.seller
      join catalog.product_set s on s.seller_id = r.id and s.handle = x.handle
      order by x.n`
    const setIds = found.map(({ id }) => id)
    const descriptions = sets.map(({ description }) => description)
    const products = sets.flatMap((set, index) =>
      set.products.map((product) => ({ ...product, setId: setIds[index]! })),
    )
    const images = sets.flatMap((set, index) => set.images.map((image) => ({ ...image, setId: setIds[index]! })))

    // An export has no dates of a special price: dates that were set here stay as long as there is a special price.
    await tx`
      with file as (
        select
          x.set_id,
          x.seller_sku,
          s.title,
          d.description,
          x.barcode,
          x.price,
          x.special_price,
          x.stock,
          x.attributes::jsonb as attributes,
          x.n
        from unnest(
          ${products.map(({ setId }) => setId)}::bigint[],
          ${products.map(({ sellerSku }) => sellerSku)}::text[],
          ${products.map(({ barcode }) => barcode)}::text[],
          ${products.map(({ price }) => price)}::numeric(12, 2)[],
          ${products.map(({ specialPrice }) => specialPrice)}::numeric(12, 2)[],
          ${products.map(({ stock }) => stock)}::int[],
          ${products.map(({ attributes }) => JSON.stringify(attributes))}::text[]
        ) with ordinality x (set_id, seller_sku, barcode, price, special_price, stock, attributes, n)
        join unnest(${setIds}::bigint[], ${descriptions}::text[]) d (set_id, description) on d.set_id = x.set_id
        join catalog.product_set s on s.id = x.set_id
      ),
      known as (
        update catalog.product p
        set
          active = true,
          qc_status = 'approved',
          title = f.title,
          description = f.description,
          barcode = f.barcode,
          price = f.price,
          special_price = f.special_price,
          stock = coalesce(f.stock, p.stock),
          attributes = f.attributes,
          special_from = case when f.special_price is not null then p.special_from end,
          special_to = case when f.special_price is not null then p.special_to end
        from file f
        where p.product_set_id = f.set_id and p.seller_sku = f.seller_sku
          and (p.active, p.qc_status, p.title, p.description, p.barcode, p.price, p.special_price, p.stock,
              p.attributes)
            is distinct from (true, 'approved', f.title, f.description, f.barcode, f.price, f.special_price,
              coalesce(f.stock, p.stock), f.attributes)
      )
      insert into catalog.product (
        product_set_id, seller_sku, title, description, barcode, price, special_price, stock, attributes)
      select set_id, seller_sku, title, description, barcode, price, special_price, coalesce(stock, 0), attributes
      from file order by n
      on conflict (product_set_id, seller_sku) do nothing`

    await tx`delete from catalog.product_image where product_set_id = any (${setIds}::bigint[])`
    await tx`
      insert into catalog.product_image (product_set_id, position, url, hash)
      select * from unnest(
        ${images.map(({ setId }) => setId)}::bigint[],
        ${images.map(({ position }) => position)}::int[],
        ${images.map(({ url }) => url)}::text[],
        ${images.map(({ hash }) => hash)}::text[])`

    if (enqueue) {
      await tx`
        select count(shop_update.enqueue(t.topic, product_set_id => x.id))
        from unnest(${setIds}::bigint[]) x (id) cross join (values ('new_product_set'), ('images')) t (topic)`
      await tx`
        select count(shop_update.enqueue(t.topic, product_id => p.id))
        from unnest(
          ${products.map(({ setId }) => setId)}::bigint[],
          ${products.map(({ sellerSku }) => sellerSku)}::text[]
        ) x (set_id, seller_sku)
        join catalog.product p on p.product_set_id = x.set_id and p.seller_sku = x.seller_sku
        cross join (values ('price'), ('stock')) t (topic)`
    }
    return { products: products.length, productSets: sets.length, images: images.length }
  })
