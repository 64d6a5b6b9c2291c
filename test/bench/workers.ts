import { measureWorker } from './measure.ts'
import { median } from './setting.ts'

const WORKERS = [1, 2, 4, 8] as const

/** The same backlog through one worker and through several, on a Shop that answers at once. */
export async function workers({ items, rounds }: { items: number; rounds: number }, log: (line: string) => void) {
  const seen = WORKERS.map((many) => ({ many, rates: [] as number[], connections: 0, failedCalls: 0 }))
  for (let round = 1; round <= rounds; round++) {
    for (const each of seen) {
      const { itemsPerSecond, failedCalls, shop } = await measureWorker({ items, workers: each.many })
      const { mostConnections } = shop.limits
      each.rates.push(itemsPerSecond)
      each.failedCalls += failedCalls
      each.connections = Math.max(each.connections, mostConnections)
      log(
        `Round ${round}, ${each.many} workers: ${Math.round(itemsPerSecond)} items a second, ${failedCalls} failed ` +
          `calls, ${mostConnections} connections`,
      )
    }
  }
  const one = median(seen[0]!.rates)
  return {
    name: 'workers',
    ...Object.fromEntries(
      seen.flatMap(({ many, rates, connections }) => [
        [`itemsPerSecond${many}`, Math.round(median(rates))],
        [`ratio${many}`, Number((median(rates) / one).toFixed(3))],
        [`connections${many}`, connections],
      ]),
    ),
    failedCalls: seen.reduce((sum, { failedCalls }) => sum + failedCalls, 0),
    items,
  }
}
