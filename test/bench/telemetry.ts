import type { Sql } from '../../worker/queue/database.ts'
import { startReceiverProcess } from '../otlp/receiver-process.ts'
import { measureFloor } from './floor.ts'
import { median } from './setting.ts'
import { measureWorker } from './throughput.ts'

/**
 * The same backlog through the worker with all three signals exported to a receiver on this machine, and without, in turn; and the floor.
 * What the receiver got is held against the history in the database, to the last span, line and count.
 */
export async function telemetry({ items, rounds }: { items: number; rounds: number }, log: (line: string) => void) {
  const on: number[] = []
  const off: number[] = []
  const floors: number[] = []
  let lost = 0
  for (let round = 1; round <= rounds; round++) {
    floors.push(await measureFloor(items))
    off.push(await measureWorker({ items, backlog: 0, history: 0 }))
    const receiver = await startReceiverProcess()
    try {
      on.push(
        await measureWorker({
          items,
          backlog: 0,
          history: 0,
          env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
          async after(sql, ownLines) {
            const { spans, logs, points } = await receiver.read()
            const sum = (name: string) => points.reduce((total, point) => total + (point.name === name ? point.value : 0), 0)
            // statements are in no history: those that were measured
            const statements = points.reduce(
              (total, { name, count }) => total + (name === 'db.client.operation.duration' ? (count ?? 0) : 0),
              0,
            )
            const { steps, queued, ends, requests, answers } = await readHistory(sql)
            const rows = [
              // each step from a status has the span of that status; each attempt its root, and the point where it rests; each exchange its own
              ['spans', steps - queued + 2 * ends + answers + statements, spans],
              ['log records', steps + requests + answers + ownLines, logs],
              ['transitions', steps, sum('shop_update.transitions')],
              ['calls', answers, sum('shop_update.calls')],
            ] as const
            for (const [what, expected, came] of rows) {
              log(`  ${what}: ${came} came, the history says ${expected}`)
              lost += Math.abs(expected - came)
            }
          },
        }),
      )
    } finally {
      await receiver.stop()
    }
    log(
      `Round ${round}: floor ${Math.round(floors.at(-1)!)}, telemetry off ${Math.round(off.at(-1)!)}, on ${Math.round(on.at(-1)!)} items a second`,
    )
  }
  const [itemsPerSecondOn, itemsPerSecondOff, floorItemsPerSecond] = [on, off, floors].map((each) => Math.round(median(each))) as [
    number,
    number,
    number,
  ]
  return {
    name: 'telemetry',
    ratio: Number((itemsPerSecondOn / itemsPerSecondOff).toFixed(3)),
    ofFloor: Number((itemsPerSecondOn / floorItemsPerSecond).toFixed(3)),
    lost,
    itemsPerSecondOn,
    itemsPerSecondOff,
    floorItemsPerSecond,
    items,
  }
}

async function readHistory(sql: Sql) {
  const [row] = await sql<{ steps: number; queued: number; ends: number; requests: number; answers: number }[]>`
    select (select count(*)::int from shop_update.transition) as steps,
      (select count(*)::int from shop_update.transition where from_status is null) as queued,
      (select count(*)::int from shop_update.transition where to_status = 'synced') as ends,
      (select count(*)::int from shop_update.request) as requests, (select count(*)::int from shop_update.answer) as answers`
  return row!
}
