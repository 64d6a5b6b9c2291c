import { measureFloor } from './floor.ts'
import { type Measured, measureWorker } from './measure.ts'
import { median } from './setting.ts'

export interface ThroughputOptions {
  /** How many items are measured. */
  items: number
  /** How many are in the queue at the start; at least `items`. */
  backlog: number
  /** Finished items, with transitions and calls, that exist at the start. */
  history: number
  rounds: number
}

/**
 * Drains a backlog of stock changes of distinct sets through the real worker process against the simulated Shop in
 * synchronous flow, each with its call record and all statuses; in turn with the floor.
 */
export async function throughput({ items, backlog, history, rounds }: ThroughputOptions, log: (line: string) => void) {
  const ours: number[] = []
  const floors: number[] = []
  const written: Measured['written'][] = []
  for (let round = 1; round <= rounds; round++) {
    floors.push(await measureFloor(items))
    const measured = await measureWorker({ items, backlog, history })
    ours.push(measured.itemsPerSecond)
    written.push(measured.written)
    const { history: historyBytes, wal } = measured.written
    log(
      `Round ${round}: floor ${Math.round(floors.at(-1)!)}, worker ${Math.round(ours.at(-1)!)} items a second, ` +
        `${Math.round(historyBytes)} bytes of history and ${Math.round(wal)} of WAL an item`,
    )
  }
  const itemsPerSecond = Math.round(median(ours))
  const floorItemsPerSecond = Math.round(median(floors))
  return {
    name: 'throughput',
    itemsPerSecond,
    floorItemsPerSecond,
    ratio: Number((itemsPerSecond / floorItemsPerSecond).toFixed(3)),
    historyBytes: Math.round(median(written.map((each) => each.history))),
    walBytes: Math.round(median(written.map((each) => each.wal))),
    items,
    backlog,
    history,
  }
}
