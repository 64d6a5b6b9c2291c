import { setTimeout as delay } from 'node:timers/promises'
import { between, pick, type Random, weighted } from '../../demo/chance.ts'
import { ANSWER_TROUBLES, CALLBACK_TROUBLES } from '../../demo/shop/troubles.ts'
import { FLOWS } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'
import { CUTS } from '../gate.ts'
import {
  addSet,
  addVariation,
  type Change,
  type ChangedTopic,
  changeSome,
  changeTopic,
  enqueue,
  type Known,
  readProducts,
  type Tx,
  tellAll,
} from './changes.ts'
import { LEASE_SECONDS, type Parts, type Slot } from './parts.ts'

/** What was done, as far as the invariants need it. */
export interface Done {
  /** From transactions whose commit was confirmed. */
  changes: Change[]
  /** Ids that an admin has moved to their right place, by product; null: removed. */
  repaired: Map<string, string | null>
  /** Products that were deleted, and when. */
  deleted: Map<string, number>
  /** Ids that the Shop may have told of new products though they are of others, which may be gone by then. */
  lent: Set<string>
}

export interface Stage {
  parts: Parts
  done: Done
  /** Resolves when the run's time is over, which ends lasting actions. */
  pause(ms: number): Promise<void>
}

interface Action {
  name: string
  weight: number
  /** @returns what it did, in words */
  act(stage: Stage, random: Random): Promise<string>
}

const LEASE_MS = LEASE_SECONDS * 1000
class RolledBack extends Error {}

/**
 * A transaction of Seller Center. What it queued counts once its commit is confirmed; if the connection broke, nobody
 * knows.
 */
async function transact(
  { parts, done }: Stage,
  act: (tx: Tx) => Promise<Change[]>,
  committed?: () => void,
): Promise<string> {
  const changes = await parts.sql.begin(act)
  done.changes.push(...changes)
  committed?.()
  return changes.length > 5
    ? `${changes.length} changes`
    : changes
        .map(
          ({ itemId, topic, productId, setId }) =>
            `${topic} of ${productId === null ? `set ${setId}` : `product ${productId}`} (item ${itemId})`,
        )
        .join(', ') || 'nothing to change'
}

async function aSlot({ parts }: Stage, random: Random, act: (slot: Slot) => Promise<string>): Promise<string> {
  const up = parts.up()
  if (up.length === 0) return 'no worker is up'
  const slot = pick(random, up)
  return `worker ${slot.number}: ${await act(slot)}`
}

const aSet = async ({ parts }: Stage, random: Random): Promise<string | undefined> => {
  const sets = await parts.sql<{ id: string }[]>`select id from catalog.product_set order by id`
  return sets.length > 0 ? pick(random, sets).id : undefined
}

/**
 * The products with a call at the Shop, or with an answer still due: actions on these matter most. All products if
 * there are none.
 */
async function orSent({ parts }: Stage, products: Known[]): Promise<Known[]> {
  const out = await parts.sql<{ id: string; lane: string }[]>`
    select product_id as id, lane::text from shop_update.item
    where lane in ('in_flight', 'awaiting') and product_id is not null`
  const among = (lane: string) => products.filter(({ id }) => out.some((item) => item.id === id && item.lane === lane))
  return [products, among('awaiting'), among('in_flight')].findLast((some) => some.length > 0) ?? []
}

/** Two at once would take the turns from each other, and other troubles of the Shop would cut the calls short. */
const takingTurns = new WeakSet<Parts>()
const OTHERWISE_ENGAGED = 'workers are being frozen by turns, for which calls must be long'

/** The troubles that were drawn last, and those that the Shop was told to have last. */
const drawn = new WeakMap<Parts, object>()
const inForce = new WeakMap<Parts, object>()

/**
 * Actions overlap, and each setting takes the place of all before it.
 *
 * @param last until others are drawn
 * @returns false: workers are being frozen by turns, and the Shop stays as it is
 */
async function setTroubles({ parts }: Stage, troubles: object, { last = false } = {}): Promise<boolean> {
  if (takingTurns.has(parts)) return false
  inForce.set(parts, troubles)
  if (last) drawn.set(parts, troubles)
  await parts.control('/troubles', 'PUT', troubles)
  return true
}

/** Of an action that needed its own: those that were drawn last are back, unless others have been set since. */
async function endTroubles(stage: Stage, own: object): Promise<void> {
  if (inForce.get(stage.parts) === own) await setTroubles(stage, drawn.get(stage.parts) ?? {})
}

/** Many calls are out, and their answers come when their worker has nowhere to write them. */
async function whileManyAreOut(
  stage: Stage,
  random: Random,
  answerDelayMs: { min: number; max: number },
  act: () => Promise<string>,
): Promise<string> {
  const slow = { default: { answerDelayMs } }
  await setTroubles(stage, slow)
  try {
    const products = await readProducts(stage.parts.sql)
    const did = await transact(stage, (tx) => changeSome(tx, products, 20, random))
    await stage.pause(300)
    return `${await act()}; before: ${did}`
  } finally {
    await endTroubles(stage, slow)
  }
}

async function frozen(stage: Stage, slot: Slot, ms: number): Promise<string> {
  const isolation = stage.parts.isolated(slot.number, 'frozen')
  slot.freeze()
  await stage.pause(ms)
  slot.thaw()
  isolation.to = Date.now() + 500
  return `frozen for ${ms} ms`
}

async function hushed(stage: Stage, slot: Slot, ms: number): Promise<string> {
  const isolation = stage.parts.isolated(slot.number, 'cut off')
  slot.gate.hush()
  await stage.pause(ms)
  slot.gate.speak()
  // It must notice on its own that nothing hears it.
  isolation.to = Date.now() + 3 * LEASE_MS
  return `hears nothing of PostgreSQL for ${ms} ms, and its old connections stay silent`
}

/** What hits all workers at once: a suspended host, and a firewall that has forgotten its connections meanwhile. */
async function allFrozenThenHushed(stage: Stage, frozenMs: number, hushedMs: number): Promise<string> {
  const slots = stage.parts.up()
  const isolations = slots.map((slot) => stage.parts.isolated(slot.number, 'frozen and cut off'))
  for (const slot of slots) slot.freeze()
  await stage.pause(frozenMs)
  for (const slot of slots) slot.gate.hush()
  for (const slot of slots) slot.thaw()
  await stage.pause(hushedMs)
  for (const slot of slots) slot.gate.speak()
  for (const isolation of isolations) isolation.to = Date.now() + 3 * LEASE_MS
  return `all frozen for ${frozenMs} ms, then hearing nothing of PostgreSQL for ${hushedMs} ms`
}

/** Every decision that an admin can make about waiting items. */
async function decide(stage: Stage, random: Random): Promise<string> {
  const items = await stage.parts.sql<{ id: string; reason: string; topic: string }[]>`
    select id, reason, topic from shop_update.item
    where lane = 'blocked' and shop_update.needs_admin(reason)
    order by id`
  if (items.length === 0) return 'nothing waits for an admin'
  const item = pick(random, items)
  const action = random() < 0.75 ? 'resend' : 'discard'
  return aSlot(
    stage,
    random,
    async (slot) =>
      `${action} item ${item.id} (${item.topic}, ${item.reason}): ${await decideItem(stage, slot, item.id, action)}`,
  )
}

/** What an admin gives up is queued anew; otherwise the Shop would rightly keep its state. */
export async function decideItem(
  stage: Stage,
  slot: Slot,
  itemId: string,
  action: 'resend' | 'discard',
): Promise<string> {
  const { status, body } = await stage.parts.api(slot, `/api/items/${itemId}/resolve`, 'POST', {
    action,
    reason: 'chaos',
    force: true,
    mayCreateTwice: true,
  })
  if (status !== 200 || action === 'resend')
    return `${status}${status === 200 ? '' : ` ${String(body.detail).slice(0, 200)}`}`
  const [item] = await stage.parts.sql<
    { topic: Change['topic']; setId: string; productId: string | null; there: boolean; inShop: boolean }[]
  >`
    select f.topic, f.product_set_id as "setId", f.product_id as "productId", p.src_id is not null as "inShop",
      case when f.product_id is null then exists (select from catalog.product_set s where s.id = f.product_set_id)
        else p.id is not null end as there
    from shop_update.finished_item f left join catalog.product p on p.id = f.product_id where f.id = ${itemId}::bigint`
  if (!item?.there || (item.topic === 'new_product' && item.inShop)) return '200'
  const { topic, setId, productId } = item
  return `200, then ${await transact(stage, async (tx) => [await enqueue(tx, topic, { id: productId ?? '', setId })])}`
}

const percent = (random: Random) => between(random, 5, 40)

/** One to three troubles at a time; how slow the Shop is, and how long it takes to report what it has already done. */
async function drawTroubles({ parts, done }: Stage, random: Random) {
  const taken = await parts.sql<
    { srcId: string }[]
  >`select src_id as "srcId" from catalog.product where src_id is not null order by id`
  const answers = Array.from({ length: between(random, 0, 2) }, () => pick(random, ANSWER_TROUBLES))
  const callbacks = Array.from({ length: between(random, 0, 2) }, () => pick(random, CALLBACK_TROUBLES))
  const answerDelay = pick(random, [0, 0, 300, 1000, parts.shopTimeoutMs * 0.8, parts.shopTimeoutMs + 500])
  const takenSrcId = taken.length > 0 ? pick(random, taken).srcId : null
  if (takenSrcId !== null && answers.includes('srcIdTaken')) done.lent.add(takenSrcId)
  return {
    ...Object.fromEntries(
      answers.filter((name) => name !== 'srcIdTaken' || taken.length > 0).map((name) => [name, percent(random)]),
    ),
    ...Object.fromEntries(callbacks.map((name) => [name, percent(random)])),
    ...(takenSrcId !== null && { takenSrcId }),
    latencyMs: { min: 2, max: pick(random, [20, 20, 100, 700, 2000]) },
    answerDelayMs: { min: 0, max: answerDelay },
    callbackDelayMs: { min: 2, max: pick(random, [50, 500, 4000]) },
    callbackHoldMs: 500,
  }
}

export const ACTIONS: readonly Action[] = [
  {
    name: 'change',
    weight: 60,
    act: async (stage, random) => {
      const products = await readProducts(stage.parts.sql)
      return transact(stage, (tx) => changeSome(tx, products, pick(random, [1, 1, 1, 2, 4]), random))
    },
  },
  {
    name: 'many changes',
    weight: 8,
    act: async (stage, random) => {
      const products = await readProducts(stage.parts.sql)
      return transact(stage, (tx) => changeSome(tx, products, between(random, 10, 50), random))
    },
  },
  {
    name: 'roll back',
    weight: 4,
    act: async (stage, random) => {
      const products = await readProducts(stage.parts.sql)
      let many = 0
      try {
        await stage.parts.sql.begin(async (tx) => {
          many = (await changeSome(tx, products, between(random, 1, 10), random)).length
          await delay(between(random, 0, 300))
          throw new RolledBack()
        })
      } catch (error) {
        if (!(error instanceof RolledBack)) throw error
      }
      return `${many} changes`
    },
  },
  {
    name: 'slow transaction',
    weight: 5,
    act: async (stage, random) => {
      const products = await readProducts(stage.parts.sql)
      return transact(stage, async (tx) => {
        const changes = await changeSome(tx, products, between(random, 1, 5), random)
        await stage.pause(between(random, 1000, 3000))
        return changes
      })
    },
  },
  { name: 'new set', weight: 4, act: (stage, random) => transact(stage, (tx) => addSet(tx, random)) },
  {
    name: 'new variation',
    weight: 5,
    act: async (stage, random) => {
      const setId = await aSet(stage, random)
      return setId === undefined ? 'no set is there' : transact(stage, (tx) => addVariation(tx, setId, random))
    },
  },
  {
    name: 'delete product',
    weight: 2,
    act: async (stage, random) => {
      const products = await readProducts(stage.parts.sql)
      if (products.length < 20) return 'too few are left'
      const { id } = pick(random, products)
      await stage.parts.sql`delete from catalog.product where id = ${id}::bigint`
      stage.done.deleted.set(id, Date.now())
      return `product ${id}`
    },
  },
  {
    name: 'delete set',
    weight: 1,
    act: async (stage, random) => {
      const setId = await aSet(stage, random)
      if (setId === undefined) return 'no set is there'
      const products = await stage.parts.sql.begin(async (tx) => {
        const gone = await tx<
          { id: string }[]
        >`delete from catalog.product where product_set_id = ${setId}::bigint returning id`
        await tx`delete from catalog.product_set where id = ${setId}::bigint`
        return gone
      })
      for (const { id } of products) stage.done.deleted.set(id, Date.now())
      return `set ${setId} with ${products.length} products`
    },
  },
  {
    name: 'move product',
    weight: 7,
    act: async (stage, random) => {
      const products = await readProducts(stage.parts.sql)
      const inShop = products.filter(({ srcId, setSrcId }) => srcId !== null && setSrcId !== null)
      if (inShop.length === 0) return 'none is in the Shop'
      const product = pick(random, await orSent(stage, inShop))
      const others = inShop.filter(({ sellerId, setId }) => sellerId === product.sellerId && setId !== product.setId)
      if (others.length === 0) return 'there is no other set'
      const { setId } = pick(random, others)
      // Best while a call for it is out.
      const before = await transact(stage, (tx) => changeSome(tx, [product], 1, random))
      await stage.pause(between(random, 0, 200))
      const did = await transact(stage, async (tx) => {
        await tx`update catalog.product set product_set_id = ${setId}::bigint where id = ${product.id}::bigint`
        const changes: Change[] = []
        for (let left = between(random, 0, 3); left > 0; left--)
          changes.push(...(await changeSome(tx, [{ ...product, setId }], 1, random)))
        return changes
      })
      return `product ${product.id} from set ${product.setId} to set ${setId}; before: ${before}; with it: ${did}`
    },
  },
  {
    name: 'queue while it moves',
    weight: 3,
    // Nobody saw what was being queued in the old set: its item is found there when the move has been followed already.
    act: async (stage, random) => {
      const { sql } = stage.parts
      const products = await readProducts(sql)
      const inShop = products.filter(({ srcId, setSrcId }) => srcId !== null && setSrcId !== null)
      if (inShop.length === 0) return 'none is in the Shop'
      const product = pick(random, inShop)
      const others = inShop.filter(({ sellerId, setId }) => sellerId === product.sellerId && setId !== product.setId)
      if (others.length === 0) return 'there is no other set'
      const { setId } = pick(random, others)
      const slow = { topics: { price: { answerDelayMs: { min: 700, max: 1400 } } } }
      const queueBoth = async (tx: Tx) => {
        const queued = await enqueue(tx, 'price', product)
        await sql`update catalog.product set product_set_id = ${setId}::bigint where id = ${product.id}::bigint`
        const until = Date.now() + 2 * LEASE_MS
        for (let noted = true; noted && Date.now() < until; ) {
          await delay(100)
          noted =
            (await sql`select from shop_update.catalog_change where product_id = ${product.id}::bigint and moved`)
              .length > 0
        }
        // Both are sent when this is committed, and the calls last.
        await setTroubles(stage, slow)
        return [queued, ...(await changeTopic(tx, { ...product, setId }, 'price', random))]
      }
      try {
        const did = await transact(stage, queueBoth)
        await stage.pause(slow.topics.price.answerDelayMs.max)
        return `product ${product.id} from set ${product.setId} to set ${setId}: ${did}`
      } finally {
        await endTroubles(stage, slow)
      }
    },
  },
  {
    name: 'repair ids',
    weight: 5,
    act: async (stage, random) => {
      const products = await readProducts(stage.parts.sql)
      const inShop = products.filter(({ srcId }) => srcId !== null)
      if (inShop.length === 0) return 'none is in the Shop'
      const first = pick(random, await orSent(stage, inShop))
      const others = products.filter(({ id, setId }) => setId === first.setId && id !== first.id)
      if (others.length === 0) return 'nothing to repair'
      const second = pick(random, others)
      // Two products of one set have each other's ids; or one has that of the other, which must be created anew.
      const swap = random() < 0.5
      let now: Record<string, string | null> = {}
      const did = await transact(
        stage,
        async (tx) => {
          const was = await tx<{ id: string; srcId: string | null; sku: string | null }[]>`
            select id, src_id as "srcId", shop_sku as sku from catalog.product
            where id = any (${[first.id, second.id]}::bigint[]) order by id for no key update`
          const [one, other] = was
          if (!one || !other || was.every(({ srcId }) => srcId === null)) return []
          await tx`
            update catalog.product set src_id = null, shop_sku = null where id = any (${[one.id, other.id]}::bigint[])`
          const [takes, gives] = swap || one.id === first.id ? [one, other] : [other, one]
          const given = swap || gives.srcId === null ? takes : { srcId: null, sku: null }
          await tx`
            update catalog.product set src_id = ${gives.srcId}::text, shop_sku = ${gives.sku}::text
            where id = ${takes.id}::bigint`
          await tx`
            update catalog.product set src_id = ${given.srcId}::text, shop_sku = ${given.sku}::text
            where id = ${gives.id}::bigint`
          now = { [takes.id]: gives.srcId, [gives.id]: given.srcId }
          const changes: Change[] = []
          for (const { id } of was) {
            if (now[id] === null) changes.push(await enqueue(tx, 'new_product', { id, setId: first.setId }))
            changes.push(...(await tellAll(tx, { id, setId: first.setId })))
          }
          return changes
        },
        () => {
          for (const [id, srcId] of Object.entries(now)) stage.done.repaired.set(id, srcId)
        },
      )
      // What the Shop still owes comes now, with the id that it knew.
      const owed = await stage.parts.sql<{ requestId: string }[]>`
        select request_id::text as "requestId" from shop_update.item
        where product_id = ${first.id}::bigint and lane = 'awaiting'`
      const taken = stage.parts.shop
        .calls()
        .filter(({ requestId, done }) => done !== null && owed.some((one) => one.requestId === requestId))
      for (const { requestId, done } of taken)
        await stage.parts.control('/callbacks', 'POST', { requestId, times: 1, result: done })
      return `product ${first.id} and product ${second.id}: ${JSON.stringify(now)}, ${taken.length} callbacks; ${did}`
    },
  },
  {
    name: 'kill',
    weight: 2.5,
    act: (stage, random) =>
      aSlot(stage, random, async (slot) => {
        await slot.kill()
        await stage.pause(between(random, 0, 2 * LEASE_MS))
        void slot.start()
        return 'killed, and started again'
      }),
  },
  {
    name: 'deploy',
    weight: 1,
    act: (stage, random) =>
      aSlot(stage, random, async (slot) => {
        const code = await slot.stop()
        void slot.start()
        return `stopped with code ${code}, and started again`
      }),
  },
  {
    name: 'short freeze',
    weight: 3,
    act: (stage, random) => aSlot(stage, random, (slot) => frozen(stage, slot, between(random, 100, LEASE_MS / 3))),
  },
  {
    name: 'long freeze',
    weight: 2,
    act: (stage, random) =>
      aSlot(stage, random, (slot) =>
        frozen(stage, slot, between(random, LEASE_MS + 500, pick(random, [1.5, 3]) * LEASE_MS)),
      ),
  },
  {
    name: 'cut',
    weight: 5,
    act: (stage, random) =>
      aSlot(stage, random, async (slot) => {
        const how = pick(random, CUTS)
        if (random() < 0.5) slot.gate.halve(how)
        else stage.parts.cut(slot, how)
        return `its connections to PostgreSQL: ${how}`
      }),
  },
  {
    name: 'silence',
    weight: 2,
    act: async (stage, random) => {
      const isMany = random() < 0.5
      const silent = () => aSlot(stage, random, (slot) => hushed(stage, slot, between(random, 200, 3 * LEASE_MS)))
      return isMany ? whileManyAreOut(stage, random, { min: 500, max: 1400 }, silent) : silent()
    },
  },
  {
    name: 'frozen by turns',
    weight: 6,
    // One loses its sent items to the others, and they lose them back to it while its first calls are still out.
    act: async (stage, random) => {
      const { parts } = stage
      const slots = parts.up()
      if (parts.shopTimeoutMs < 3 * LEASE_MS || slots.length < parts.slots.length || takingTurns.has(parts))
        return 'calls are too short, or not all workers are up'
      takingTurns.add(parts)
      try {
        const answerDelayMs = { min: 0.85 * parts.shopTimeoutMs, max: 1.1 * parts.shopTimeoutMs }
        // of one topic only: otherwise all calls are out for so long, and there is no room for the second ones
        await parts.control('/troubles', 'PUT', { topics: { consignment_stock: { answerDelayMs } } })
        const inShop = (await readProducts(parts.sql)).filter(({ srcId }) => srcId !== null)
        const chosen = inShop.filter(() => random() < 15 / inShop.length)
        const did = await transact(stage, async (tx) => {
          const changes: Change[] = []
          for (const product of chosen) changes.push(...(await changeTopic(tx, product, 'consignment_stock', random)))
          return changes
        })
        await stage.pause(500)
        const [most] = await parts.sql<{ number: number }[]>`
          select right(w.name, 1)::int as number from shop_update.set_lane l
          join shop_update.worker w on w.id = l.worker_id join shop_update.item i on i.id = l.item_id
          where i.topic = 'consignment_stock' and i.status = 'made_request'
            and w.id not in (select worker_id from shop_update.leader)
          group by 1 order by count(*) desc limit 1`
        const first = slots.find(({ number }) => number === most?.number)
        if (!first) return 'only the leader has calls out'
        await frozen(stage, first, between(random, LEASE_MS + 1000, LEASE_MS + 1500))
        const others = parts.up().filter((slot) => slot !== first)
        await Promise.all(others.map((slot) => frozen(stage, slot, 3 * LEASE_MS)))
        return `${did}; worker ${first.number}, then workers ${others.map(({ number }) => number).join(' and ')}`
      } finally {
        await parts.control('/troubles', 'PUT', drawn.get(parts) ?? {}).finally(() => takingTurns.delete(parts))
      }
    },
  },
  {
    name: 'all frozen and silent',
    weight: 0.5,
    act: (stage, random) =>
      allFrozenThenHushed(stage, between(random, 100, 2 * LEASE_MS), between(random, 0, 3 * LEASE_MS)),
  },
  {
    name: 'the catalogue refuses',
    weight: 3,
    act: async (stage, random) => {
      const products = await readProducts(stage.parts.sql)
      const ids = Array.from({ length: between(random, 1, 4) }, () => pick(random, products).id)
      await stage.parts.sql`insert into chaos.refused select unnest(${ids}::bigint[])`
      await stage.pause(between(random, 500, 5000))
      await stage.parts.sql`delete from chaos.refused where product_id = any (${ids}::bigint[])`
      return `the Shop's answers for products ${ids.join(', ')}`
    },
  },
  {
    name: 'PostgreSQL again',
    weight: 0.7,
    act: async ({ parts }, random) => {
      const how = random() < 0.5 ? 'stops' : 'crashes'
      await parts.database(how, 0)
      return how
    },
  },
  {
    name: 'PostgreSQL away',
    weight: 1.5,
    act: async (stage, random) => {
      const { parts } = stage
      const ms = between(random, LEASE_MS, 2 * LEASE_MS)
      return whileManyAreOut(stage, random, { min: 300, max: 1400 }, async () => {
        // One of them returns a little later than the others, which must not take it for dead before it could be heard.
        const late = pick(random, parts.slots)
        const lateMs = between(random, 300, LEASE_MS / 2)
        late.gate.refuse('user', 'ends') // as each connection begins
        try {
          await parts.database('stops', ms)
          await stage.pause(lateMs)
        } finally {
          late.gate.open()
        }
        return `for ${ms} ms, for worker ${late.number} ${lateMs} ms more`
      })
    },
  },
  {
    name: 'troubles of the Shop',
    weight: 8,
    act: async (stage, random) => {
      const troubles = await drawTroubles(stage, random)
      return (await setTroubles(stage, { default: troubles }, { last: true }))
        ? JSON.stringify(troubles)
        : OTHERWISE_ENGAGED
    },
  },
  {
    name: 'the Shop is well',
    weight: 3,
    act: async (stage) => ((await setTroubles(stage, {}, { last: true })) ? '' : OTHERWISE_ENGAGED),
  },
  {
    name: 'callback again',
    weight: 8,
    act: async ({ parts }, random) => {
      const answered = parts.shop
        .calls()
        .filter(({ result }) => result !== null)
        .slice(0, 200)
      if (answered.length === 0) return 'nothing was processed yet'
      const { requestId, result, done } = pick(random, answered)
      const times = between(random, 1, 2)
      await parts.control('/callbacks', 'POST', { requestId, times, result: random() < 0.5 ? done : result })
      return `for request ${requestId}, ${times} times`
    },
  },
  {
    name: 'change what was sent',
    weight: 10,
    act: async (stage, random) => {
      const { sql, shop, control } = stage.parts
      const items = await sql<{ id: string; topic: ChangedTopic; productId: string; requests: string[] }[]>`
        select i.id, i.topic, i.product_id as "productId", array_agg(r.request_id::text) as requests
        from shop_update.item i join shop_update.request r on r.item_id = i.id
        where i.lane not in ('in_flight', 'awaiting') and i.topic in ('price', 'stock', 'content', 'consignment_stock')
        group by i.id order by i.id`
      // For a call that the Shop has taken although nobody knows.
      const taken = shop.calls().filter(({ done }) => done !== null)
      const known = items.filter(({ requests }) => taken.some(({ requestId }) => requests.includes(requestId)))
      if (known.length === 0) return 'nothing waits that was sent'
      const item = pick(random, known)
      const product = (await readProducts(sql)).find(({ id }) => id === item.productId)
      if (!product) return `product ${item.productId} is gone`
      const did = await transact(stage, (tx) => changeTopic(tx, product, item.topic, random))
      const { requestId, done } = pick(
        random,
        taken.filter(({ requestId }) => item.requests.includes(requestId)),
      )
      await control('/callbacks', 'POST', { requestId, times: 1, result: done })
      return `${did}; and a callback for request ${requestId}`
    },
  },
  {
    name: 'flow',
    weight: 4,
    act: (stage, random) =>
      aSlot(stage, random, async (slot) => {
        const flow = pick(random, FLOWS)
        const { status } = await stage.parts.api(slot, '/api/flow', 'PUT', { flow })
        return `${flow} (${status})`
      }),
  },
  {
    name: 'pause',
    weight: 5,
    act: async (stage, random) => {
      const [seller] = await stage.parts.sql<{ id: string }[]>`
        select id from catalog.seller order by id limit 1 offset ${between(random, 0, 1)}`
      const of = weighted(
        random,
        [{}, { topic: pick(random, TOPIC_NAMES) }, ...(seller === undefined ? [] : [{ seller: seller.id }])],
        () => 1,
      )
      const until = new Date(Date.now() + between(random, 1000, 8000)).toISOString()
      return aSlot(stage, random, async (slot) => {
        const { status } = await stage.parts.api(slot, '/api/pauses', 'POST', { ...of, until, reason: 'chaos' })
        return `${JSON.stringify(of)} until ${until}: ${status}`
      })
    },
  },
  {
    name: 'requeue',
    weight: 6,
    act: async (stage, random) => {
      const setId = await aSet(stage, random)
      const items = await stage.parts.sql<
        { id: string }[]
      >`select id from shop_update.item where lane <> 'in_flight' order by id`
      const target = weighted(
        random,
        [
          { filter: {}, include: ['failed'] },
          { filter: {}, include: ['failed', 'delayed', 'blocked'] },
          ...(setId === undefined ? [] : [{ productSetIds: [setId], include: ['failed', 'delayed'] }]),
          ...(items.length === 0 ? [] : [{ itemIds: [pick(random, items).id] }]),
        ],
        () => 1,
      )
      const how = random()
      return aSlot(stage, random, async (slot) => {
        const asked = { ...target, reason: 'chaos' }
        if (how < 0.5) {
          const { status, body } = await stage.parts.api(slot, '/api/requeue', 'POST', asked)
          return `${JSON.stringify(target)}: ${status}, ${body.requeued} requeued`
        }
        const kind = how < 0.9 ? 'requeue' : 'creations'
        const { status, body } = await stage.parts.api(slot, '/api/runs', 'POST', { kind, ...asked })
        if (status !== 200 || how < 0.8) return `${kind} ${JSON.stringify(target)}: ${status}, run ${body.id}`
        const stopped = await stage.parts.api(slot, `/api/runs/${body.id}/stop`, 'POST', undefined)
        return `${kind} ${JSON.stringify(target)}: run ${body.id}, stopped at once: ${stopped.status}`
      })
    },
  },
  { name: 'decide', weight: 8, act: decide },
]
