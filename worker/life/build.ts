import type { CatalogueSet } from '../domain/catalogue.ts'
import type { ClaimedItem } from '../domain/item.ts'
import { creates } from '../domain/topics.ts'
import { buildCall, type Call, isCall, type NotSendable } from '../shop/call.ts'

/** The call of a claimed item, or the reason why there is none. Never throws. */
export function build(item: ClaimedItem, set: CatalogueSet | undefined): Call | NotSendable {
  if (!set) return { deleted: true }
  try {
    const product = item.productId === null ? null : (set.products[0] ?? null)
    const built = buildCall(item.topic, set, product, item.requestId)
    if (!isCall(built) || !item.variationComing) return built
    const what = creates(item.topic) ? 'The same product' : 'Another variation of the product set'
    return { blocked: 'new_variation', message: `${what} is still being created in the Shop.` }
  } catch (error) {
    // Any exception is a failure of the item (docs/requirements.md, "Statuses"), never of the worker.
    return { impossible: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
  }
}
