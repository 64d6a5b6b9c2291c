import type { Refusal } from './reasons.ts'
import type { Status } from './statuses.ts'
import type { Topic } from './topics.ts'

/** The statuses that a requeue of product sets or of a filter may take in; Failed alone unless asked (decision 12). */
export const REQUEUE_INCLUDES = ['failed', 'delayed', 'blocked'] as const satisfies readonly Status[]
export type RequeueInclude = (typeof REQUEUE_INCLUDES)[number]

/**
 * Statuses in which an item is on its way already: it will be, or is just being, sent, or its answer is just being
 * read. Got acknowledgment is not among them: nothing is resent by itself there, but an admin may (decision 10).
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
   * Every product that the item is about: all variations for an item of a whole product set; none that has been
   * deleted.
   */
  products: readonly { active: boolean; qcStatus: 'pending' | 'approved' | 'rejected' }[]
}

/**
 * Why an item cannot be requeued, or null if it can (docs/requirements.md, "Requeuing"; decision 12).
 *
 * The first that holds is told, in this order: what no one can change about the item (gone, on its way, Images,
 * deleted), then what somebody can change first, from the widest to the narrowest (seller, product, quality control).
 * One inactive or unapproved product refuses the whole item, because the action affects all variations.
 */
export function refusal({ topic, status, inQueue, sellerActive, products }: RequeueCandidate): Refusal | null {
  if (!inQueue || status === 'synced') return 'not_in_queue'
  if ((ON_ITS_WAY as readonly Status[]).includes(status)) return 'in_flight'
  if (topic === 'images') return 'images_not_requeueable'
  if (products.length === 0) return 'product_deleted'
  if (!sellerActive) return 'seller_inactive'
  if (!products.every((product) => product.active)) return 'product_inactive'
  if (!products.every((product) => product.qcStatus === 'approved')) return 'not_qc_approved'
  return null
}

/** What an admin reads beside an item that a requeue leaves alone. */
export const REFUSAL_SENTENCES: Record<Refusal, string> = {
  not_in_queue: 'The item is no longer in the queue.',
  in_flight:
    'The item is on its way already, waits on purpose as a stock change does, or is a creation that an admin has ' +
    'to decide about.',
  images_not_requeueable: 'Images cannot be requeued; saving the images again in Seller Center queues them anew.',
  seller_inactive: 'The seller is not active.',
  product_inactive: 'The product, or one of its variations, is not active.',
  product_deleted: 'The product has been deleted; the item leaves the queue by itself.',
  not_qc_approved: 'The product, or one of its variations, is not approved in quality control.',
}

/**
 * Whether a requeue of product sets or of a filter takes in items of a status. An item in Got acknowledgment is never
 * swept along; it is requeued only where it is named itself (decision 10).
 * @param include exactly the statuses wanted; Failed if left out (decision 12)
 */
export const requeueIncludes = (status: Status, include: readonly RequeueInclude[] = ['failed']): boolean =>
  (include as readonly Status[]).includes(status)
