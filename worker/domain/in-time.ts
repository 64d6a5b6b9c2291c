import type { Topic } from './topics.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE

/** When a change counts as late, by topic: in seconds since it was queued. */
export const IN_TIME: Record<Topic, number> = {
  price: 15 * MINUTE,
  stock: 15 * MINUTE, // ten of which it waits on purpose
  consignment_stock: 15 * MINUTE,
  status: 15 * MINUTE,
  qc_status: HOUR,
  content: HOUR,
  images: HOUR,
  new_product_set: 4 * HOUR,
  new_product: 4 * HOUR,
}
/** When an acknowledged change counts as unanswered for long, where nobody knows how long the Shop usually takes. */
export const UNANSWERED_AFTER = 24 * HOUR
