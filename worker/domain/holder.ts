import { STATUSES, type Status } from './statuses.ts'
import { TOPICS, type Topic } from './topics.ts'

/** The Delayed or Failed item that goes before others of its product set and topic (decision 7). */
export interface HoldingItem<Time = Date> {
  id: string
  topic: Topic
  status: Status
  /** Null: it is about the whole set, or its product has just been deleted. */
  sellerSku: string | null
  nextAttemptAt: Time
}

/**
 * A retry this late is overdue. Shorter delays are normal after an outage, when the claim rate lets many through one by
 * one (decision 2).
 */
export const OVERDUE_AFTER_SECONDS = 300

export const isOverdue = (nextAttemptAt: Date | null, now: Date): boolean =>
  nextAttemptAt !== null && now.getTime() - nextAttemptAt.getTime() > OVERDUE_AFTER_SECONDS * 1000

/** In words: those of lists and pages, too. */
export function holderName({ topic, sellerSku, status }: Omit<HoldingItem<unknown>, 'id' | 'nextAttemptAt'>): string {
  const { label, subject } = TOPICS[topic]
  const ofWhat = subject === 'product_set' ? 'the whole set' : (sellerSku ?? 'a deleted product')
  return `${label} of ${ofWhat} (${STATUSES[status].label})`
}
