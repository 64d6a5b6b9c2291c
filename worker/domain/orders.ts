/**
 * What lists can be ordered by. Ids are given in the order of queueing (but for changes of the same moment), so `id`
 * and `queuedAt` are one order.
 */
export const ORDERS = ['id', 'queuedAt', 'statusAt', 'nextAttemptAt'] as const
export type Order = (typeof ORDERS)[number]

/**
 * Whether a list can be ordered so. No index knows how long an item has been in its status (it would have to be written
 * with every step), so such a list is sorted as a whole: 25 to 80 ms with 50,000 items of the status, 310 ms with a
 * million. Pending has none: it is what a backlog consists of, and most of it has been Pending since it was queued.
 */
export function hasOrder(
  order: Order,
  { tab, status }: { tab?: string | undefined; status?: string | undefined },
): boolean {
  const only = status ?? tab
  switch (order) {
    case 'statusAt':
      return only !== undefined && only !== 'pending' && only !== 'synced' && tab !== 'synced'
    case 'nextAttemptAt':
      return ['delayed', 'failed'].includes(tab ?? status ?? '')
    default:
      return true
  }
}
