import { readStatuses } from '../../worker/read/summary.ts'
import { keepClaims, PER_SECOND, pickUps, queueEvenly } from './latency.ts'
import { measureWorker } from './measure.ts'
import { median } from './setting.ts'

/** More than twice the five slow ones after which a process knows that a snapshot is held. */
const READINGS = 25

/**
 * The cost of a transaction that holds a snapshot, like a dump or a report: nothing that the queue leaves behind can be
 * cleaned up before it ends. Equally many items go through with and without one. Then, with the remains in place,
 * changes are queued evenly, and the numbers are read.
 */
export async function held(options: { items: number; rounds: number; seconds: number }, log: (line: string) => void) {
  const without = { throughput: [] as number[], pickUp: [] as number[], statuses: [] as number[] }
  const withOne = structuredClone(without)
  for (let round = 1; round <= options.rounds; round++) {
    await measure(without, false, options)
    await measure(withOne, true, options)
    log(
      `Round ${round}: ${Math.round(without.throughput.at(-1)!)} items a second without, ` +
        `${Math.round(withOne.throughput.at(-1)!)} with a snapshot held; ` +
        `pick-up p50 ${without.pickUp.at(-1)!.toFixed(1)} and ${withOne.pickUp.at(-1)!.toFixed(1)} ms, statuses ` +
        `${without.statuses.at(-1)!.toFixed(1)} and ${withOne.statuses.at(-1)!.toFixed(1)} ms`,
    )
  }
  const middle = (values: readonly number[]) => Number(median(values).toFixed(2))
  return {
    name: 'held',
    itemsPerSecond: Math.round(median(withOne.throughput)),
    itemsPerSecondWithout: Math.round(median(without.throughput)),
    ratio: Number((median(withOne.throughput) / median(without.throughput)).toFixed(3)),
    pickUpP50Ms: middle(withOne.pickUp),
    pickUpP50MsWithout: middle(without.pickUp),
    statusesMs: middle(withOne.statuses),
    statusesMsWithout: middle(without.statuses),
    items: options.items,
  }
}

async function measure(
  seen: { throughput: number[]; pickUp: number[]; statuses: number[] },
  isHeld: boolean,
  { items, seconds }: { items: number; seconds: number },
): Promise<void> {
  const { itemsPerSecond } = await measureWorker({
    items,
    held: isHeld,
    async beyond(sql) {
      const [last] = await sql<{ id: number }[]>`select max(id)::float8 as id from shop_update.finished_item`
      await keepClaims(sql)
      await queueEvenly(sql, seconds * PER_SECOND)
      seen.pickUp.push(median(await pickUps(sql, last!.id)))
      const times: number[] = []
      for (let k = 0; k < READINGS; k++) {
        const started = performance.now()
        await readStatuses(sql)
        times.push(performance.now() - started)
      }
      seen.statuses.push(median(times))
    },
  })
  seen.throughput.push(itemsPerSecond)
}
