import { setTimeout as delay } from 'node:timers/promises'
import { isLocked, isTransient } from '../../worker/database/database.ts'
import { decideItem, type Stage } from './actions.ts'
import { type Change, enqueue } from './changes.ts'

/**
 * A guard: with these times the last retry is due half a minute after the first, and a Shop that was down is probed
 * every half minute.
 */
const REST_WITHIN_MS = 120_000

interface Waiting {
  id: string
  topic: Change['topic']
  status: string
  lane: string
  reason: string | null
  setId: string
  productId: string | null
  exhausted: boolean
}

const readQueue = ({ parts }: Stage) => parts.sql<Waiting[]>`
  select id, topic, status, lane, reason, product_set_id as "setId",
    product_id as "productId", run_at = 'infinity' as exhausted
  from shop_update.item order by id`

/**
 * The Shop, PostgreSQL and all workers are well, and the admins do their part, until nothing moves any more.
 *
 * @returns what has not come to rest; empty if everything has
 */
export async function heal(stage: Stage, tell: (line: string) => void, signal?: AbortSignal): Promise<string[]> {
  const { parts } = stage
  for (const slot of parts.slots) {
    slot.thaw()
    slot.gate.speak()
  }
  await parts.control('/troubles', 'PUT', {})
  await Promise.all(parts.slots.map((slot) => slot.start()))
  parts.balance()
  await untilFree(() => approveAll(stage), tell)
  const refusing = await refuseOne(stage, tell, signal)
  // A Shop that is well again finds what it still owes: half of it comes late, the rest is lost for good.
  const owed = parts.shop
    .calls()
    .filter(({ callbackTrouble, result }) => callbackTrouble === 'noCallback' && result !== null)
  for (const { requestId, topic } of owed.filter(({ topic }, place) => topic === 'images' || place % 2 === 0)) {
    tell(`the callback for request ${requestId} (${topic}) comes late`)
    await parts.control('/callbacks', 'POST', { requestId, times: 1 }).catch((error: Error) => tell(error.message))
  }

  const stuck = refusing ? await untilApplied(stage, signal) : []
  await parts.sql`delete from chaos.refused`
  if (stuck.length > 0) return stuck

  const until = performance.now() + REST_WITHIN_MS
  let calm = 0
  let left: string[] = []
  while (performance.now() < until) {
    signal?.throwIfAborted()
    try {
      left = await nudge(stage, tell)
    } catch (error) {
      left = [`asking failed: ${(error as Error).message}`] // a worker has ended and is being restarted
    }
    calm = left.length === 0 ? calm + 1 : 0
    if (calm === 3) return []
    await delay(500)
  }
  return [
    ...left,
    ...(await whoWaits(stage)),
    ...(await whatIsNoted(stage)),
    ...parts.slots.flatMap(({ number, process }) => lastLines(number, process?.printed ?? [])),
  ]
}

/**
 * A write that the catalogue always refuses must not hold up other callbacks: one such is made, and all those due come
 * after it.
 */
async function refuseOne({ parts, done }: Stage, tell: (line: string) => void, signal?: AbortSignal): Promise<boolean> {
  await parts.control('/troubles', 'PUT', { default: { noCallback: 100 } })
  // a worker may be about to start
  await parts.sql`update shop_update.setting set value = '"asynchronous"' where key = 'shop_update/flow'`
  const [product] = await parts.sql<{ id: string; setId: string }[]>`
    select p.id, p.product_set_id as "setId" from catalog.product p
    where p.src_id is not null and not exists (select from shop_update.item i where i.product_id = p.id)
    order by (select count(*) from shop_update.item i where i.product_set_id = p.product_set_id), p.id limit 1`
  let requestId: string | undefined
  for (let tries = 0; product && !requestId && tries < 100; tries++) {
    signal?.throwIfAborted()
    const [item] = await parts.sql<{ requestId: string; lane: string }[]>`
      select request_id::text as "requestId", lane::text from shop_update.item
      where product_id = ${product.id}::bigint and topic = 'price'`
    if (!item) done.changes.push(...(await parts.sql.begin(async (tx) => [await enqueue(tx, 'price', product)])))
    else if (item.lane === 'awaiting') requestId = item.requestId
    await delay(100)
  }
  await parts.control('/troubles', 'PUT', {})
  const call = parts.shop.calls().find((one) => one.requestId === requestId)
  if (!product || !call) {
    tell('nothing was acknowledged that the catalogue could refuse')
    return false
  }
  tell(`the catalogue refuses the callback for request ${requestId} (product ${product.id})`)
  await parts.sql`insert into chaos.refused values (${product.id}::bigint)`
  await parts.control('/callbacks', 'POST', { requestId, times: 1, result: call.done })
  return true
}

const APPLIED_WITHIN_MS = 40_000

async function untilApplied({ parts }: Stage, signal?: AbortSignal): Promise<string[]> {
  const until = performance.now() + APPLIED_WITHIN_MS
  for (;;) {
    signal?.throwIfAborted()
    const [left] = await parts.sql<
      { n: number }[]
    >`select count(*)::int as n from shop_update.callback where applied_at is null`
    if (left!.n === 0) return []
    if (performance.now() > until) return [`${left!.n} callbacks wait behind one that the catalogue refuses`]
    await delay(300)
  }
}

const lastLines = (number: number, printed: readonly string[]): string[] =>
  printed.slice(-6).map((line) => `worker ${number} said: ${line.slice(0, 600)}`)

/** What PostgreSQL is doing, for finding the cause. */
async function whoWaits({ parts }: Stage): Promise<string[]> {
  const sessions = await parts.sql<{ line: string }[]>`
    select format('session %s of %s: %s for %s s, waits for %s, blocked by %s: %s', pid, application_name, state,
      round(extract(epoch from now() - state_change)), wait_event,
      pg_blocking_pids(pid), left(regexp_replace(query, '\s+', ' ', 'g'), 200)) as line
    from pg_stat_activity where datname = current_database() and state <> 'idle'
      and state_change < now() - interval '2 seconds' and pid <> pg_backend_pid()`
  return sessions.map(({ line }) => line)
}

/** What the queue says of what has not come to rest, and what the leader has still to follow. */
async function whatIsNoted({ parts }: Stage): Promise<string[]> {
  const noted = await parts.sql<{ line: string }[]>`
    (select format('item %s: %s', i.id, to_jsonb(i) - 'id') as line from shop_update.item i order by i.id limit 20)
    union all
    (select format('set_lane: %s', to_jsonb(l)) from shop_update.set_lane l limit 20)
    union all
    (select format('catalog_change: %s', to_jsonb(c)) from shop_update.catalog_change c limit 20)
    union all
    (select format('leader: %s, now %s', to_jsonb(l), now()) from shop_update.leader l)`
  return noted.map(({ line }) => line)
}

/** Locks of a transaction that was cut off last until PostgreSQL has noticed. */
async function untilFree(act: () => Promise<void>, tell: (line: string) => void): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await act()
    } catch (error) {
      if (tries === 12 || !(isLocked(error) || isTransient(error))) throw error
      tell(`somebody holds a product: ${(error as Error).message}`)
    }
  }
}

/** A requeue requires active and approved products: so they become that, and the Shop is told. */
async function approveAll({ parts, done }: Stage): Promise<void> {
  done.changes.push(
    ...(await parts.sql.begin(async (tx) => {
      const changed = await tx<{ id: string; setId: string }[]>`
        update catalog.product set active = true, qc_status = 'approved' where not active or qc_status <> 'approved'
        returning id, product_set_id as "setId"`
      const changes: Change[] = []
      for (const product of changed.toSorted((a, b) => Number(a.id) - Number(b.id)))
        changes.push(await enqueue(tx, 'status', product))
      return changes
    })),
  )
}

/** What an admin would do now. Returns what still moves, or should. */
async function nudge(stage: Stage, tell: (line: string) => void): Promise<string[]> {
  const { parts, done } = stage
  const [slot] = parts.up()
  if (!slot) return ['no worker is up']
  parts.balance()
  const [callbacks] = await parts.sql<
    { n: number }[]
  >`select count(*)::int as n from shop_update.callback where applied_at is null`
  const items = await readQueue(stage)
  const left: string[] = []
  if (callbacks!.n > 0) left.push(`${callbacks!.n} callbacks are not applied`)
  // a pause of some seconds may not be over yet
  const moving = items.filter(({ lane }) => lane !== 'blocked')
  if (moving.length > 0)
    left.push(`${moving.length} items in ${[...new Set(moving.map(({ status }) => status))].join(', ')}`)

  const failed = items.filter(
    ({ status, reason, topic }) =>
      reason === 'failure' && topic !== 'images' && (status === 'failed' || status === 'delayed'),
  )
  if (failed.length > 0)
    await parts.api(slot, '/api/requeue', 'POST', { filter: {}, include: ['failed', 'delayed'], reason: 'all is well' })
  const acknowledged = items.filter(({ status, topic }) => status === 'got_acknowledgment' && topic !== 'images')
  // Not before all outstanding callbacks have come.
  if (acknowledged.length > 0 && callbacks!.n === 0 && (await callbacksCame(stage))) {
    tell(`${acknowledged.length} that were acknowledged and never answered are requeued`)
    await parts.api(slot, '/api/requeue', 'POST', { itemIds: acknowledged.map(({ id }) => id), reason: 'no callback' })
  }
  // Images cannot be requeued: saving them again queues them anew.
  for (const { id, setId } of items.filter(
    ({ topic, exhausted, reason }) => topic === 'images' && exhausted && reason === 'failure',
  )) {
    tell(`images of set ${setId} (item ${id}) are saved again`)
    done.changes.push(...(await parts.sql.begin(async (tx) => [await enqueue(tx, 'images', { id: '', setId })])))
  }
  await correctLent(stage, tell)
  for (const { id, reason, topic } of items) {
    if (!['unprocessable_response', 'src_id_conflict', 'unknown_outcome'].includes(reason ?? '')) continue
    left.push(`item ${id} is Blocked as ${reason}`)
    // What is still being created after a second send has an id that something else has: it can only be given up.
    const action = reason === 'src_id_conflict' ? 'discard' : 'resend'
    tell(`${action} item ${id} (${topic}, ${reason}): ${await decideItem(stage, slot, id, action)}`)
  }
  // Products that are not in the Shop and that nothing creates: an admin queues their creation.
  const stranded = await parts.sql<{ setId: string }[]>`
    select distinct p.product_set_id as "setId" from catalog.product p
    where p.src_id is null and not exists (select from shop_update.item i
      where i.product_set_id = p.product_set_id and shop_update.creates(i.topic))`
  for (const { setId } of stranded) {
    left.push(`set ${setId} is to be created`)
    tell(`set ${setId} is to be created`)
    done.changes.push(
      ...(await parts.sql.begin(async (tx) => [await enqueue(tx, 'new_product_set', { id: '', setId })])),
    )
  }
  return left
}

/**
 * The Shop has told a new product the id of one that is gone, with the right Shop SKU, and refuses it ever since: an
 * admin enters the id that the Shop has it by.
 */
async function correctLent({ parts, done }: Stage, tell: (line: string) => void): Promise<void> {
  const corrected = await parts.sql<{ id: string; srcId: string }[]>`
    update catalog.product p set src_id = substring(shop_sku from 'APP-([0-9]+)$')
    where src_id = any (${[...done.lent]}::text[]) and shop_sku <> format('AC%1$sAPP-%1$s', src_id)
      and not exists (select from catalog.product o where o.src_id = substring(p.shop_sku from 'APP-([0-9]+)$'))
    returning id, src_id as "srcId"`
  for (const { id, srcId } of corrected) {
    tell(`product ${id} gets the id ${srcId}, which the Shop has it by`)
    done.repaired.set(id, srcId)
  }
}

async function callbacksCame({ parts }: Stage): Promise<boolean> {
  return Promise.race([parts.shop.callbacksSettled().then(() => true), delay(100).then(() => false)])
}
