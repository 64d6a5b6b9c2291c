import type { Sql } from '../database/database.ts'
import type { RecordedCallback } from '../domain/callback.ts'
import type { Exchange, Item } from '../domain/item.ts'
import { digestOf, type ReceivedCallback } from '../queue/record-callback.ts'
import { finalResult } from '../shop/answer.ts'

/**
 * Records the final answer to a call whose item another worker has by now. The Shop has reported the outcome and will
 * not repeat it. So the answer is recorded like its callback, and settles the item wherever it is. An acknowledgment
 * says nothing that its callback will not say.
 *
 * @param record `recordCallback`
 * @returns null if there is none, or if the item was not lost: its answer had been written when the connection broke
 */
export async function recordLostAnswer(
  sql: Sql,
  record: (callback: ReceivedCallback) => Promise<RecordedCallback>,
  { id, requestId }: Item,
  { httpStatus, body }: Exchange,
  traceId: string,
): Promise<RecordedCallback | null> {
  const result = httpStatus === null || body === null ? undefined : finalResult(httpStatus, body, requestId)
  if (result === undefined) return null
  const [written] = await sql`
    select from shop_update.answer where item_id = ${id}::bigint and request_id = ${requestId}::bigint limit 1`
  if (written) return null
  return record({ requestId, digest: digestOf(result), body: JSON.stringify(result), remote: null, traceId })
}
