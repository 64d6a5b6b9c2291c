import { type Sql, transaction } from '../database/database.ts'
import { endOf, type Looked } from './look.ts'

/**
 * How many notes one look takes, and of how many products it publishes the state: some 80 ms. A note of a set or a
 * seller may mean any number.
 */
const A_LOOK = 2000
/** Of a seller's sets, how many are noted at once. */
const SETS_A_LOOK = 10_000

/**
 * Publishes the states of products that somebody has noted (`shop_update.touched`) as feedback to Seller Center, where
 * they differ from what is published.
 *
 * A sequence drawn by whoever changes something would make readers miss what is committed late. So a change is only
 * noted, in its own transaction and waiting for nobody, and one transaction after the other gives out positions: they
 * are in the order of commits, and whoever has read up to one has missed nothing before it. A note is deleted with what
 * was published for it, so that a crash loses neither. What is noted anew, for it was too much, is as old as what it
 * was noted for: it has waited as long (`readFeedbackBehind`).
 *
 * @param after the note after which to go on; '0': at the first
 * @param since null: all notes, see `Looked`
 * @param seconds takes notes that are at least so old
 */
export async function publishTouched(
  sql: Sql,
  after: string,
  since: string | null = null,
  seconds = 0,
): Promise<Looked> {
  const from = after === '0' ? (since ?? '(0,0)') : after
  return transaction(sql, async (tx) => {
    await holdHead(tx)
    const [page] = await tx<[Looked & { products: string[] }]>`
      with page as materialized (
        select ctid as place, product_id, product_set_id, seller_id, at from shop_update.touched
        where ctid > ${from}::text::tid and at <= now() - ${seconds}::float8 * interval '1 second'
        limit ${A_LOOK}::int
      ),
      settled as (
        delete from shop_update.touched where ctid = any (array(select place from page))
      ),
      of_sellers as materialized (
        select n.seller_id, n.product_set_id as after, n.at, s.id
        from (
          select seller_id, product_set_id, min(at) as at from page where seller_id is not null group by 1, 2) n
        cross join lateral (
          select id from catalog.product_set
          where seller_id = n.seller_id and id > n.product_set_id order by id limit ${SETS_A_LOOK}::int) s
      ),
      meant as materialized (
        select id, min(at) as at from (
          select product_id as id, at from page where product_id is not null
          union all
          select p.id, page.at from page join catalog.product p on p.product_set_id = page.product_set_id
          where page.product_id is null and page.seller_id is null) n
        group by id
      ),
      now as materialized (select id from meant order by id limit ${A_LOOK}::int),
      later as (
        insert into shop_update.touched (product_id, product_set_id, seller_id, at)
        select null::bigint, id, null::bigint, at from of_sellers
        union all
        select null, max(id), seller_id, min(at) from of_sellers
        group by seller_id, after having count(*) >= ${SETS_A_LOOK}::int
        union all
        select id, null, null, at from meant where id > (select max(id) from now)
      )
      select
        array(select id from now) as products,
        case when count(*) < ${A_LOOK}::int then '0' else max(place)::text end as last,
        count(*)::int as seen,
        ${endOf(tx, 'touched')} as end,
        date_part('epoch', clock_timestamp() - statement_timestamp()) * 1000 as milliseconds
      from page`
    const { products, ...looked } = page
    await publish(tx, products)
    return looked
  })
}

/** How many products `publishNext` compares. */
const COMPARED_A_LOOK = 1000

/**
 * Compares what is published with what is so, a page of the catalogue a time: at first this publishes what was there
 * before there was feedback, later it is the safety net, for what a worker of a version before or a restored dump has
 * not noted.
 *
 * @param fromStart begins at the first product again, instead of where the page before ended
 * @returns whether that was the end of the catalogue
 */
export const publishNext = (sql: Sql, fromStart: boolean): Promise<boolean> =>
  transaction(sql, async (tx) => {
    await holdHead(tx)
    if (fromStart) await tx`update shop_update.feedback_head set looked_to = 0`
    const rows = await tx<{ id: string }[]>`
      with head as materialized (select looked_to from shop_update.feedback_head)
      (select id from catalog.product
        where id > (select looked_to from head) order by id limit ${COMPARED_A_LOOK}::int)
      union
      (select product_id from shop_update.feedback
        where product_id > (select looked_to from head) order by product_id limit ${COMPARED_A_LOOK}::int)
      order by id limit ${COMPARED_A_LOOK}::int`
    const isEnd = rows.length < COMPARED_A_LOOK
    await publish(
      tx,
      rows.map(({ id }) => id),
    )
    await tx`update shop_update.feedback_head set looked_to = ${isEnd ? '0' : rows.at(-1)!.id}::bigint`
    return isEnd
  })

/**
 * One publishes at a time. Positions of a database that was restored, or taken over by a standby, may have been given
 * before for something else: its epoch is another one.
 */
const holdHead = (tx: Sql) => tx`
  with head as materialized (select epoch, salt from shop_update.feedback_head for update),
  here as (
    select left(md5(concat_ws('/',
      (select system_identifier from pg_control_system()),
      -- not that of the last checkpoint, which may come minutes after a standby has taken over
      left(pg_walfile_name(pg_current_wal_lsn()), 8),
      'shop_update.feedback'::regclass::oid,
      head.salt)), 8) as epoch
    from head
  )
  update shop_update.feedback_head set epoch = here.epoch from here, head where head.epoch <> here.epoch`

/** Publishes the states of these products where they differ from what is published. */
async function publish(tx: Sql, productIds: readonly string[]): Promise<void> {
  if (productIds.length === 0) return
  await tx`
    with now_so as materialized (
      select
        x.id,
        s.product_id is null as deleted,
        coalesce(s.state, 'not_sent') as state,
        coalesce(s.who_acts, 'nobody') as who_acts,
        s.since,
        s.expected_at,
        coalesce(s.shown, false) as shown
      from unnest(${productIds}::bigint[]) x (id)
      left join shop_update.product_state s on s.product_id = x.id
    ),
    news as materialized (
      select n.*, row_number() over (order by n.id) as place
      from now_so n left join shop_update.feedback f on f.product_id = n.id
      where case
        when f.product_id is null then not n.deleted
        when n.deleted or f.deleted then n.deleted <> f.deleted
        else (n.state, n.who_acts, n.since, n.shown, n.expected_at) is distinct from
          (f.state, f.who_acts, f.since, f.shown, case when f.expected_at > now() then f.expected_at end) end
    ),
    written as (
      insert into shop_update.feedback as f (product_id, position, state, who_acts, since, expected_at, shown, deleted)
      select n.id, h.position + n.place, n.state, n.who_acts, case when n.deleted then now() else n.since end,
        n.expected_at, n.shown, n.deleted
      from news n cross join shop_update.feedback_head h order by n.place
      on conflict (product_id) do update set
        position = excluded.position,
        state = excluded.state,
        who_acts = excluded.who_acts,
        since = excluded.since,
        expected_at = excluded.expected_at,
        shown = excluded.shown,
        deleted = excluded.deleted,
        published_at = excluded.published_at
    )
    update shop_update.feedback_head set position = position + (select count(*) from news)
    where (select count(*) from news) > 0`
}
