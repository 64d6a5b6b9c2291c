import type { Status } from './statuses.ts'

/**
 * Every step an item may take, and who takes it. What is not here is a fault in the worker: the tests look through the
 * history for it.
 *
 * One step runs through the whole table: a callback answers any attempt of an item, not only the last
 * (docs/shop-protocol.md, section 3). So an answer may meet the item wherever it rests by then, and takes it to Got
 * response (one in flight comes to rest first); only an item that is Synced keeps a late one for the record.
 *
 * A status leads to itself only where the item leaves the queue as it is: discarded, or product_deleted (its product no
 * longer exists). A change that an item in Pending absorbs (decision 8) raises its count and is no step.
 */
export const NEXT: Record<Status, readonly Status[]> = {
  pending: [
    'processing', // claimed
    'delayed', // stock_wait: enqueue puts a Stock item off (decision 3)
    'got_response', // a callback for an earlier attempt
    'blocked', // src_id_conflict: an answer came, after its own item had left the queue, with a second Shop id
    'pending', // product_deleted
  ],
  processing: [
    'building_payload',
    'synced', // nothing_to_send: the catalogue has nothing left that the Shop lacks
    'delayed', // an exception is a failure like any other (docs/requirements.md, "Statuses")
    'failed', // the same, from the 12th (decision 1)
    'blocked', // not_in_shop, new_variation: seen by the claim (decision 5 a, b)
    'pending', // worker_lost, worker_stopped, product_moved: nothing has left yet
    'processing', // product_deleted
  ],
  building_payload: ['made_request'], // written together: a payload that cannot be built never gets here
  made_request: [
    'got_acknowledgment', // asynchronous flow, or a Shop that has not seen the switch back yet (decision 9)
    'got_response', // the final answer, or its callback if that overtakes the acknowledgment
    // network error, time-out: an answer of any kind passes through Got response (docs/shop-protocol.md, section 4)
    'delayed',
    'failed',
    'blocked', // unknown_outcome: the worker died while a create was out (decision 11)
    // worker_lost: anything but a create is sent again (decision 11); worker_stopped, shop_busy: it has not left
    'pending',
  ],
  got_acknowledgment: [
    'got_response', // the callback, hours or days later
    'pending', // requeued by an admin; never by itself (decision 10)
    'got_acknowledgment', // product_deleted
  ],
  // A failure row makes the item Delayed or Failed, an answer that
  // cannot be used Blocked (unprocessable_response, src_id_conflict; docs/shop-protocol.md, section 4).
  // Where the Shop said "wait" it goes back to Pending (shop_busy, decision 21).
  got_response: ['building_response_payload', 'delayed', 'failed', 'blocked', 'pending'],
  building_response_payload: ['response_processing'],
  response_processing: [
    'synced',
    'pending', // newer_change: the answer is to a request that cannot have carried what was changed since
    'delayed', // an exception while the stored answer is written
    'failed',
    // src_id_conflict: another worker gave the id away between our look and our write; or the catalogue refuses it
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
    // discarded by an admin, product_deleted: it leaves the queue as it is, and is not called synced, for nothing was
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
