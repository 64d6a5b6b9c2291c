import { startReceiverProcess } from '../otlp/receiver-process.ts'
import { measureFloor } from './floor.ts'
import { readMade } from './made.ts'
import { measureWorker } from './measure.ts'
import { median } from './setting.ts'

/**
 * The same backlog through the worker, in turn with all three signals exported to a receiver on this machine and
 * without; and the floor. What the receiver got is compared with the history in the database, to the last span, line
 * and count.
 */
export async function telemetry({ items, rounds }: { items: number; rounds: number }, log: (line: string) => void) {
  const on: number[] = []
  const off: number[] = []
  const floors: number[] = []
  let lost = 0
  for (let round = 1; round <= rounds; round++) {
    floors.push(await measureFloor(items))
    off.push((await measureWorker({ items })).itemsPerSecond)
    const receiver = await startReceiverProcess()
    try {
      const { itemsPerSecond } = await measureWorker({
        items,
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
        async after(sql, ownLines) {
          const { spans, logs, points } = await receiver.read()
          const sum = (name: string) =>
            points.reduce((total, point) => total + (point.name === name ? point.value : 0), 0)
          const came = { spans, logs, transitions: sum('shop_update.transitions'), calls: sum('shop_update.calls') }
          const made = await readMade(sql, points, ownLines)
          for (const what of ['spans', 'logs', 'transitions', 'calls'] as const) {
            log(`  ${what}: ${came[what]} came, the history says ${made[what]}`)
            lost += Math.abs(made[what] - came[what])
          }
        },
      })
      on.push(itemsPerSecond)
    } finally {
      await receiver.stop()
    }
    const [floor, without, withIt] = [floors, off, on].map((each) => Math.round(each.at(-1)!))
    log(`Round ${round}: floor ${floor}, telemetry off ${without}, on ${withIt} items a second`)
  }
  const [floor, without, withIt] = [floors, off, on].map((each) => Math.round(median(each))) as [number, number, number]
  return {
    name: 'telemetry',
    ratio: Number((withIt / without).toFixed(3)),
    ofFloor: Number((withIt / floor).toFixed(3)),
    lost,
    itemsPerSecondOn: withIt,
    itemsPerSecondOff: without,
    floorItemsPerSecond: floor,
    items,
  }
}
