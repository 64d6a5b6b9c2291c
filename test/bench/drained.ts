import { measureWorker } from './measure.ts'
import { median } from './setting.ts'

const QUEUES = ['never', 'new', 'stale'] as const

/**
 * A queue that has drained before, been vacuumed and filled again, against one that never has: with statistics that
 * were made when it had been filled (new), and with those from when it was empty (stale).
 */
export async function drained({ items, rounds }: { items: number; rounds: number }, log: (line: string) => void) {
  const rates = { never: [] as number[], new: [] as number[], stale: [] as number[] }
  for (let round = 1; round <= rounds; round++) {
    for (const queue of QUEUES) {
      const { itemsPerSecond } = await measureWorker({ items, ...(queue !== 'never' && { drained: queue }) })
      rates[queue].push(itemsPerSecond)
    }
    const [never, fresh, stale] = QUEUES.map((queue) => Math.round(rates[queue].at(-1)!))
    log(
      `Round ${round}: ${never} items a second on a new queue, ${fresh} on a drained one with new statistics, ` +
        `${stale} with stale ones`,
    )
  }
  const never = median(rates.never)
  return {
    name: 'drained',
    itemsPerSecond: Math.round(never),
    newStatisticsPerSecond: Math.round(median(rates.new)),
    newStatisticsRatio: Number((median(rates.new) / never).toFixed(3)),
    staleStatisticsPerSecond: Math.round(median(rates.stale)),
    staleStatisticsRatio: Number((median(rates.stale) / never).toFixed(3)),
    items,
  }
}
