import type { NoCreate, ReasonCode } from './reasons.ts'
import type { Status } from './statuses.ts'
import type { Topic } from './topics.ts'

/** What each status means, for the person who looks at the list. Source: docs/requirements.md, "Statuses". */
const STATUS_EXPLANATIONS: Record<Status, string> = {
  pending:
    'The item has just been put into the queue; there is no request payload yet. It should stay here for a few ' +
    'milliseconds only, longer if there is a specific reason that holds it.',
  processing: 'The item has been picked to be processed. It should stay here for a few seconds at most.',
  building_payload: 'The request payload is built from the current catalogue and kept in Seller Center.',
  made_request: 'The request is about to be sent to the Shop system, or has been sent and is not answered yet.',
  got_acknowledgment:
    'Asynchronous flow only: the Shop system has put the item into its own queue and sent an acknowledgment that ' +
    "everything is fine. An item that stays here has had no callback with the Shop's response.",
  got_response: 'A response has been received from the Shop system.',
  building_response_payload: 'The payload is extracted from the response.',
  response_processing:
    'The product has been synced with the Shop system. The post-update processing, such as noting the time in the ' +
    'catalogue, is about to be done.',
  synced: 'The item is finished and has left the queue.',
  delayed:
    'Processing the item failed, for any reason, and it is retried later. Or it is a stock change, which waits ' +
    '(10 minutes, unless set otherwise) so that orders are processed first.',
  blocked:
    'The product or product set has no Shop SKU yet, or a new variation of it is still being created; the change ' +
    "is saved and sent afterwards. Or the Shop's response could not be processed, and an admin has to decide.",
  failed:
    'The Shop system has returned a failure 12 times or more. Automatic retries go on until the last of the retry ' +
    'table has failed.',
}

const TOPIC_EXPLANATIONS: Record<Topic, string> = {
  content: 'The content of a product has changed.',
  images: 'The images of a product set have changed.',
  new_product_set: 'A new product set with its variations; the Shop often calls a set "config".',
  price: 'The price of a product has changed.',
  stock: 'The stock of a product has changed.',
  status: 'A product has become active or inactive.',
  consignment_stock: 'The consigned stock of a product has changed.',
  qc_status: 'A product has been approved in quality control, or has lost the approval.',
  new_product: 'A product is added to a product set that the Shop has, as a new variation.',
}

/** Columns of lists, by their names in the pages. Source: docs/requirements.md, "Columns". */
const COLUMN_EXPLANATIONS = {
  sellerSku: 'The SKU that the seller has given the product.',
  sku: 'The SKU that the Shop has given the product; none until it is created there.',
  topic: 'What kind of change is synchronized.',
  queuedAt: 'When the change was put into the queue.',
  status: 'How far the synchronization is, and whether the Shop has acknowledged it already.',
  requeuedCount: 'How often Seller Center has sent it again.',
  lastRequeuedAt: 'When the last of these requests was sent to the Shop.',
  failedAt: 'When it was last tried to send it to the Shop.',
} as const

/** What a change waits for if no create of its product is due. */
export const NO_CREATE: Record<NoCreate, string> = {
  sent_next: 'nothing any more',
  qc_pending: 'approval in quality control',
  qc_rejected: 'a correction by the seller: rejected in quality control',
  product_deleted: 'nothing: it has no product',
}

const REASON_EXPLANATIONS: Record<ReasonCode, { label: string; sentence: string }> = {
  failure: {
    label: 'Failure',
    sentence: 'The last attempt failed: an error from the Shop, an unsuccessful response, or an exception.',
  },
  stock_wait: {
    label: 'Stock wait',
    sentence: 'A stock change waits after it was queued, so that orders are processed first. This is no failure.',
  },
  not_in_shop: {
    label: 'Not in the Shop yet',
    sentence:
      'The product or its product set has no Shop SKU yet. The change is saved and requeued at once when it has ' +
      'been created.',
  },
  new_variation: {
    label: 'New variation',
    sentence:
      'Another variation of the product set is still being created in the Shop. The item is requeued at once when ' +
      'that has its Shop SKU.',
  },
  unprocessable_response: {
    label: 'Unprocessable response',
    sentence:
      "The Shop's response cannot be processed. It is kept with the item, and an admin decides whether to resend " +
      'or discard.',
  },
  src_id_conflict: {
    label: 'ID already taken',
    sentence:
      'The Shop created the product under an ID that already belongs to another product, or under a second ID. ' +
      'Nothing has been overwritten; an admin has to decide.',
  },
  unknown_outcome: {
    label: 'Unknown outcome',
    sentence:
      'The worker was lost while the Shop was to create a product, and nobody knows whether it did. Sending again ' +
      'could create it twice, so the item waits for a callback or for an admin.',
  },
  requeued: { label: 'Requeued', sentence: 'An admin has put the item back into the queue, with a fresh retry cycle.' },
  coalesced: {
    label: 'Merged',
    sentence: 'The same data was changed again; the item takes the newer change along, with a fresh retry cycle.',
  },
  newer_change: {
    label: 'Newer change',
    sentence:
      'The Shop has accepted an earlier state of the data. What was changed since is sent now, with a fresh retry ' +
      'cycle.',
  },
  released: { label: 'Released', sentence: 'What the item waited for is in the Shop now.' },
  worker_lost: {
    label: 'Worker lost',
    sentence: 'The worker that had the item stopped answering; another one takes over.',
  },
  worker_stopped: { label: 'Worker stopped', sentence: 'The worker that had the item was stopped and handed it back.' },
  shop_busy: {
    label: 'Shop busy',
    sentence:
      'The Shop takes no more calls at the moment. This is no failure: the item keeps its turn, and is sent as soon ' +
      'as the Shop takes it.',
  },
  shop_away: {
    label: 'Shop away',
    sentence:
      'The Shop cannot be reached at the moment. This is no failure: the item keeps its turn, and is sent as soon as ' +
      'the Shop answers again.',
  },
  nothing_to_send: { label: 'Nothing to send', sentence: 'The Shop has everything already, so no call was made.' },
  product_deleted: {
    label: 'Product deleted',
    sentence: 'The product has been deleted, or its set has no product, so nothing is sent.',
  },
  product_moved: {
    label: 'Product moved',
    sentence: 'The product has been moved to another product set, and the item goes along.',
  },
  discarded: { label: 'Discarded', sentence: 'An admin has taken the item out of the queue. It is not sent any more.' },
}

/** What a status means, in one to three sentences. Source: docs/requirements.md, "Statuses". */
export const explainStatus = (status: Status): string => STATUS_EXPLANATIONS[status]

/** What has changed, in a sentence. Source: docs/requirements.md, "Topics". */
export const explainTopic = (topic: Topic): string => TOPIC_EXPLANATIONS[topic]

/** What a column of a list shows; undefined where its label says it all. */
export const explainColumn = (name: string): string | undefined =>
  Object.hasOwn(COLUMN_EXPLANATIONS, name) ? COLUMN_EXPLANATIONS[name as keyof typeof COLUMN_EXPLANATIONS] : undefined

/**
 * How what waits for an item of this status is freed. Images are never requeued (decision 12).
 *
 * @param what the subject of the sentence
 */
export function howToFree(status: Status, topic: Topic, what = 'It'): string {
  switch (status) {
    case 'failed':
    case 'delayed':
      return topic === 'images'
        ? `${what} goes on once that is through: at its next retry, or once they are saved again in Seller Center.`
        : `${what} goes on once that is through: at its next retry, or at once with “Reupload to Shop” on its page.`
    case 'blocked':
      return `${what} goes on once that does: its page says what it waits for.`
    default:
      return `${what} goes on by itself as soon as that is through.`
  }
}

/**
 * What a reason means: a label for a list and a sentence for a person. Source: decisions 3, 5, 8, 11, 12.
 * @example explain('stock_wait').label // 'Stock wait'
 */
export const explain = (code: ReasonCode): { label: string; sentence: string } => REASON_EXPLANATIONS[code]
