import { measureFloor } from './floor.ts'
import { measureWorker } from './measure.ts'
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
  for (let round = 1; round <= rounds; round++) {
    floors.push(await measureFloor(items))
    ours.push((await measureWorker({ items, backlog, history })).itemsPerSecond)
    log(`Round ${round}: floor ${Math.round(floors.at(-1)!)}, worker ${Math.round(ours.at(-1)!)} items a second`)
  }
  const itemsPerSecond = Math.round(median(ours))
  const floorItemsPerSecond = Math.round(median(floors))
  return {
    name: 'throughput',
    itemsPerSecond,
    floorItemsPerSecond,
    ratio: Number((itemsPerSecond / floorItemsPerSecond).toFixed(3)),
    items,
    backlog,
    history,
  }
}
