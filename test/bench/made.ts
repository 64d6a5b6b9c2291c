import type { Sql } from '../../worker/database/database.ts'
import type { Point } from '../otlp/decode.ts'

export interface Made {
  spans: number
  logs: number
  transitions: number
  calls: number
}

/**
 * What a worker must have reported about the history in the database (synchronous flow). Each step is a line and a
 * count and, except for the first of an item, the span of the status that the item left. Each attempt has a root and a
 * point where it rests; each answer is a span and a line; each request a line. Unclaimed items are not reported yet.
 * Statements are in no history: they count as measured.
 *
 * @param ownLines the worker's own log lines
 */
export async function readMade(sql: Sql, points: readonly Point[], ownLines: number): Promise<Made> {
  const [row] = await sql<
    { steps: number; queued: number; unclaimed: number; attempts: number; requests: number; answers: number }[]
  >`
    select (select count(*)::int from shop_update.transition) as steps,
      (select count(*)::int from shop_update.transition where from_status is null) as queued,
      (select count(*)::int from shop_update.item where fresh) as unclaimed,
      (select count(*)::int from shop_update.transition where to_status = 'processing') as attempts,
      (select count(*)::int from shop_update.request) as requests,
      (select count(*)::int from shop_update.answer) as answers`
  const { steps, queued, unclaimed, attempts, requests, answers } = row!
  const statements = points.reduce(
    (sum, { name, count }) => sum + (name === 'db.client.operation.duration' ? (count ?? 0) : 0),
    0,
  )
  return {
    spans: steps - queued + 2 * attempts + answers + statements,
    logs: steps - unclaimed + requests + answers + ownLines,
    transitions: steps - unclaimed,
    calls: answers,
  }
}
