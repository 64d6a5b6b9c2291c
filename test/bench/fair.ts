import { checkComplete } from './complete.ts'
import { keepClaims, PER_SECOND, pickUps, queueEvenly } from './latency.ts'
import { fillCatalogue, queueStock, startRig, untilStatus } from './rig.ts'
import { percentile, startStolen } from './setting.ts'

/**
 * How long the changes of other sellers wait behind one seller's backlog: `items` of seller 1 are in the queue, and
 * while they drain, 200 changes a second of 25 others are queued.
 */
export async function fair({ items, seconds }: { items: number; seconds: number }) {
  const rig = await startRig({ flags: ['track_commit_timestamp=on'] })
  const { sql } = rig
  try {
    const others = seconds * PER_SECOND
    await fillCatalogue(sql, items + others, items)
    await queueStock(sql, 1, items)
    await sql`vacuum analyze`
    await sql`checkpoint`
    const [last] = await sql<{ id: number }[]>`select max(id)::float8 as id from shop_update.item`
    await keepClaims(sql)
    const worker = await rig.startWorker()
    await untilStatus(rig, 'synced', Math.ceil(items / 50))
    const stolen = startStolen()
    await queueEvenly(sql, others, items)
    const stolenPercent = stolen()
    const [left] = await sql<{ ready: number }[]>`
      select count(*)::int as ready from shop_update.item where lane = 'ready' and seller_id = 1`
    if (left!.ready === 0)
      throw new Error('The backlog had drained while others came: it takes more --items, or fewer --seconds.')
    await untilStatus(rig, 'synced', items + others)
    await worker.stop()
    await checkComplete(sql, items + others)
    const milliseconds = await pickUps(sql, last!.id)
    const at = (share: number) => Number(percentile(milliseconds, share).toFixed(2))
    return {
      name: 'fair',
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      others: milliseconds.length,
      perSecond: PER_SECOND,
      backlogLeft: left!.ready,
      items,
      stolenPercent,
    }
  } finally {
    await rig.stop()
  }
}
