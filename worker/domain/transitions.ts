import type { Status } from './statuses.ts'

/**
 * Every step that an item may take, and who takes it. Any other step is a fault in the worker: the tests search the
 * history for it.
 *
 * One step applies to the whole table: a callback may answer any attempt of an item, not only the last
 * (docs/shop-protocol.md, section 3). So an answer may meet the item wherever it rests by then, and takes it to Got
 * response (an item in flight comes to rest first). Only a Synced item just keeps a late answer for the record.
 *
 * A status leads to itself only when the item leaves the queue as it is: discarded, or product_deleted (its product no
 * longer exists). A change that a Pending item absorbs (decision 8) raises its count and is not a step.
 */
export const NEXT: Record<Status, readonly Status[]> = {
  pending: [
    'processing', // claimed
    'delayed', // stock_wait: enqueue delays a Stock item (decision 3)
    'got_response', // a callback for an earlier attempt
    'blocked', // src_id_conflict: after its own item had left the queue, an answer came with a second Shop id
    'pending', // product_deleted
  ],
  processing: [
    'building_payload',
    'synced', // nothing_to_send: the catalogue has nothing that the Shop lacks
    'delayed', // an exception is a failure like any other (docs/requirements.md, "Statuses")
    'failed', // the same, from the 12th failure on (decision 1)
    'blocked', // not_in_shop, new_variation: seen by the claim (decision 5 a, b)
    'pending', // worker_lost, worker_stopped, shop_busy, shop_away, product_moved: nothing has left yet
    'processing', // product_deleted
  ],
  building_payload: ['made_request'], // written together: an impossible payload never gets here
  made_request: [
    'got_acknowledgment', // asynchronous flow, or the Shop has not seen the switch back yet (decision 9)
    'got_response', // the final answer, or its callback if that overtakes the acknowledgment
    // A network error or a time-out; an answer of any kind passes through Got response (docs/shop-protocol.md, section
    // 4).
    'delayed',
    'failed',
    'blocked', // unknown_outcome: the worker died while a create was out (decision 11)
    // worker_lost: anything but a create is sent again (decision 11). worker_stopped, shop_busy, shop_away: the call
    // has not left.
    'pending',
  ],
  got_acknowledgment: [
    'got_response', // the callback, hours or days later
    'pending', // requeued by an admin, never automatically (decision 10)
    'got_acknowledgment', // product_deleted
  ],
  // A failure row makes the item Delayed or Failed; an unusable answer makes it Blocked (unprocessable_response,
  // src_id_conflict; docs/shop-protocol.md, section 4). If the Shop said "wait", it goes back to Pending (shop_busy,
  // decision 21).
  got_response: ['building_response_payload', 'delayed', 'failed', 'blocked', 'pending'],
  building_response_payload: ['response_processing'],
  response_processing: [
    'synced',
    'pending', // newer_change: the answer is to a request that cannot contain what was changed since
    'delayed', // an exception while the stored answer is written
    'failed',
    // src_id_conflict: another worker gave the id away between our read and our write, or the catalogue refuses it.
    'blocked',
  ],
  synced: [], // final
  delayed: [
    'processing', // its time has come: the retry, or the end of the stock wait
    'pending', // requeued (decision 12), coalesced (8)
    'got_response', // a callback for a failed attempt: a success makes it Synced
    'delayed', // product_deleted
  ],
  blocked: [
    'pending', // released by the create it waited for, requeued or resent by an admin (decisions 5, 12)
    'got_response', // the callback that settles an unknown_outcome (decision 11)
    // Discarded by an admin, or product_deleted: it leaves the queue as it is. It is not called synced, because nothing
    // was.
    'blocked',
  ],
  failed: [
    'processing', // automatic retries go on until the 27th has failed (decision 1)
    'pending', // requeued (decision 12), coalesced (8)
    'got_response', // a callback for a failed attempt
    'failed', // product_deleted
  ],
}

/**
 * Whether an item may go from one status to another.
 * @param from the present status; null for an item that does not exist yet, which can only be enqueued as Pending
 * @example isAllowed('made_request', 'got_response') // true
 */
export const isAllowed = (from: Status | null, to: Status): boolean =>
  from === null ? to === 'pending' : NEXT[from].includes(to)
