import type { Sql } from '../../worker/database/database.ts'
import { checkComplete } from './complete.ts'
import { fillCatalogue, queueStock, startRig, untilStatus } from './rig.ts'

const DECILES = 10

/**
 * Whether speed depends on how much has passed: a backlog drains, and for each tenth of it the throughput and the mean
 * time of a claim are printed. The ninth is compared with the second: the gentle start is in the first, and the claims
 * that find nothing more are in the last.
 */
export async function growth({ items }: { items: number }, log: (line: string) => void) {
  const rig = await startRig({ statements: true })
  const { sql } = rig
  try {
    await fillCatalogue(sql, items)
    await queueStock(sql)
    await sql`vacuum analyze`
    await sql`checkpoint`
    const worker = await rig.startWorker()
    const claimMs: number[] = []
    let before = { calls: 0, ms: 0 }
    for (let decile = 1; decile <= DECILES; decile++) {
      await untilStatus(rig, 'synced', Math.floor((items * decile) / DECILES))
      const now = await readClaims(sql)
      claimMs.push((now.ms - before.ms) / (now.calls - before.calls))
      before = now
    }
    await worker.stop()
    await checkComplete(sql, items)
    const rates = await readRates(sql)
    rates.forEach((rate, k) => {
      log(`${(k + 1) * 10} %: ${Math.round(rate)} items a second, a claim takes ${claimMs[k]!.toFixed(1)} ms`)
    })
    return {
      name: 'growth',
      secondPerSecond: Math.round(rates[1]!),
      ninthPerSecond: Math.round(rates[8]!),
      ratio: Number((rates[8]! / rates[1]!).toFixed(3)),
      secondClaimMs: Number(claimMs[1]!.toFixed(2)),
      ninthClaimMs: Number(claimMs[8]!.toFixed(2)),
      perSecond: rates.map(Math.round),
      claimMs: claimMs.map((ms) => Number(ms.toFixed(2))),
      items,
    }
  } finally {
    await rig.stop()
  }
}

/** Number and total time of all claims so far, in PostgreSQL. */
async function readClaims(sql: Sql): Promise<{ calls: number; ms: number }> {
  const [row] = await sql<{ calls: number; ms: number }[]>`
    select coalesce(sum(calls), 0)::float8 as calls, coalesce(sum(total_exec_time), 0)::float8 as ms
    from pg_stat_statements where query like '%insert into shop_update.set_lane as l (product_set_id, item_id%'
      and query not like '%pg_stat_statements%'`
  return row!
}

/** Items per second of each tenth, from the last Synced of the previous tenth to its own last. */
async function readRates(sql: Sql): Promise<number[]> {
  const rows = await sql<{ rate: number }[]>`
    with tenth as (
      select ntile(${DECILES}::int) over (order by finished_at) as n, finished_at from shop_update.finished_item
    ),
    ended as (
      select n, count(*) as items, max(finished_at) as at from tenth group by n
    )
    select (items / extract(epoch from at - lag(at, 1, (select min(claimed_at) from shop_update.request))
      over (order by n)))::float8 as rate
    from ended order by n`
  return rows.map(({ rate }) => rate)
}
