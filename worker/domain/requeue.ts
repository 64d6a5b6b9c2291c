import { ADMIN_RESOLVES, type Refusal } from './reasons.ts'
import type { Status } from './statuses.ts'
import { creates, type Topic } from './topics.ts'

/** The statuses that a requeue of product sets or of a filter may include; by default Failed only (decision 12). */
export const REQUEUE_INCLUDES = ['failed', 'delayed', 'blocked'] as const satisfies readonly Status[]
export type RequeueInclude = (typeof REQUEUE_INCLUDES)[number]

/**
 * Statuses in which an item is already on its way: it will be sent, is being sent, or its answer is being read. Got
 * acknowledgment is not among them: nothing is resent automatically from there, but an admin may do it (decision 10).
 */
export const ON_ITS_WAY = [
  'pending',
  'processing',
  'building_payload',
  'made_request',
  'got_response',
  'building_response_payload',
  'response_processing',
] as const satisfies readonly Status[]

export interface RequeueCandidate {
  topic: Topic
  status: Status
  /** False once the item has left the queue for the history. */
  inQueue: boolean
  sellerActive: boolean
  /**
   * Every product that the item is about, without deleted ones: all variations for an item about a whole product set.
   */
  products: readonly { active: boolean; qcStatus: 'pending' | 'approved' | 'rejected' }[]
  /** Why it is Blocked. */
  reason: string | null
}

/** How far an admin goes (decision 25). */
export interface Beyond {
  /** Past the three conditions: seller, product, quality control. */
  force: boolean
  /** Also creates that the Shop may have carried out already. */
  mayCreateTwice: boolean
}

/**
 * Why an item cannot be requeued; null if it can (docs/requirements.md, "Requeuing"; decision 12).
 *
 * The first refusal that applies is returned. First come those that nobody can change (gone, on its way, Images,
 * deleted), then those that somebody can change, from the widest to the narrowest (seller, product, quality control).
 * One inactive or unapproved product refuses the whole item, because the action affects all variations. Last comes a
 * create that the Shop may have carried out.
 */
export function refusal(
  { topic, status, inQueue, sellerActive, products, reason }: RequeueCandidate,
  beyond: Beyond = { force: false, mayCreateTwice: false },
): Refusal | null {
  if (!inQueue || status === 'synced') return 'not_in_queue'
  if ((ON_ITS_WAY as readonly Status[]).includes(status)) return 'in_flight'
  if (topic === 'images') return 'images_not_requeueable'
  if (products.length === 0) return 'product_deleted'
  return hindrance({ topic, sellerActive, products, reason }, beyond)
}

/** What stands in the way of sending an item, and an admin may go past: a condition, or that it may be made twice. */
export function hindrance(
  { topic, sellerActive, products, reason }: Pick<RequeueCandidate, 'topic' | 'sellerActive' | 'products' | 'reason'>,
  { force, mayCreateTwice }: Beyond,
): Refusal | null {
  const unmet = force ? null : unmetCondition({ sellerActive, products })
  if (unmet !== null) return unmet
  const isUndecided = creates(topic) && (ADMIN_RESOLVES as readonly (string | null)[]).includes(reason)
  return isUndecided && !mayCreateTwice ? 'may_create_twice' : null
}

/** The first of the three conditions that is not met. */
export function unmetCondition({
  sellerActive,
  products,
}: Pick<RequeueCandidate, 'sellerActive' | 'products'>): (typeof CONDITIONS)[number] | null {
  if (!sellerActive) return 'seller_inactive'
  if (!products.every((product) => product.active)) return 'product_inactive'
  return products.every((product) => product.qcStatus === 'approved') ? null : 'not_qc_approved'
}

/** The three conditions of a requeue, which an admin may go past with `force` (decision 25). */
export const CONDITIONS = ['seller_inactive', 'product_inactive', 'not_qc_approved'] as const satisfies Refusal[]

/** The same, as what must be true. */
export const CONDITION_SENTENCE =
  'An item is sent again only if its seller is active, its product is active, and the product is approved in quality ' +
  'control. Images are never sent again: saving them in Seller Center queues them anew.'

/** That a product is not active or not approved is what these tell the Shop; a create leaves out what must not go. */
const TELLS_ITSELF: readonly Topic[] = ['status', 'qc_status', 'new_product_set', 'new_product']

/** The condition that keeps a topic from being sent by hand (decision 25). */
export const unmetForSending = (
  topic: Topic,
  facts: Pick<RequeueCandidate, 'sellerActive' | 'products'>,
): (typeof CONDITIONS)[number] | null => (TELLS_ITSELF.includes(topic) ? null : unmetCondition(facts))

/**
 * Why an item cannot be discarded; null if it can: an admin has to decide about it (decision 5, c to e).
 *
 * @param inQueue false once it has left the queue
 */
export function discardRefusal({ status, reason, inQueue }: Pick<RequeueCandidate, 'status' | 'reason' | 'inQueue'>) {
  if (!inQueue || status === 'synced') return 'not_in_queue' satisfies Refusal
  const isToDecide = status === 'blocked' && (ADMIN_RESOLVES as readonly (string | null)[]).includes(reason)
  return isToDecide ? null : ('not_to_decide' satisfies Refusal)
}

/** What an admin reads beside an item that is left alone. */
export const REFUSAL_SENTENCES: Record<Refusal, string> = {
  not_in_queue: 'The item is no longer in the queue.',
  in_flight: 'The item is on its way already, or waits on purpose as a stock change does.',
  images_not_requeueable: 'Images cannot be requeued; saving the images again in Seller Center queues them anew.',
  seller_inactive: 'The seller is not active.',
  product_inactive: 'The product, or one of its variations, is not active.',
  product_deleted: 'It has no product, so nothing of it is sent.',
  not_qc_approved: 'The product, or one of its variations, is not approved in quality control.',
  may_create_twice: 'A creation that the Shop may have carried out already: sent again, it may create it twice.',
  not_to_decide: 'Nobody has to decide about it: only what is Blocked until an admin decides is discarded.',
}

/**
 * Whether a requeue of product sets or of a filter includes items of a status. An item in Got acknowledgment is never
 * included this way; it is requeued only if it is named itself (decision 10).
 * @param include exactly the wanted statuses; Failed by default (decision 12)
 */
export const requeueIncludes = (status: Status, include: readonly RequeueInclude[] = ['failed']): boolean =>
  (include as readonly Status[]).includes(status)
