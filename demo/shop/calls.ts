import { TOPICS, type Topic } from '../../worker/domain/topics.ts'

/**
 * An element of `productsInfo` (docs/shop-protocol.md, section 1): the members that the Shop examines; it keeps the
 * others unchanged.
 */
export interface ProductInfo {
  product_id?: string | number
  config_id?: string | number | null
  seller_sku?: string
  sku?: string
  id_catalog_product?: string | number
  [member: string]: unknown
}

/** An element of `images`: the address and the md5 of one picture. */
export interface ImageInfo {
  url: string
  hash: string
}

/** One call of a request (section 1). `id` is the request ID. */
export interface Call {
  api: number
  method: string
  params: {
    productsInfo?: ProductInfo[]
    config_id?: string | number | null
    productSetSrcId?: string | number
    images?: ImageInfo[]
  }
  id: string | number
}

/** The content of the `auth` element. It is compared and dropped, never kept. */
export interface Auth {
  username: unknown
  password: unknown
}

const isCall = (element: unknown): element is Call => {
  if (typeof element !== 'object' || element === null) return false
  const { method, params, id } = element as Record<string, unknown>
  const namesItself = typeof id === 'string' || typeof id === 'number'
  return namesItself && typeof method === 'string' && typeof params === 'object' && params !== null
}

/**
 * Reads the body of a request: a JSON array of calls, with the `auth` element first if there is one (section 1).
 * Returns undefined for anything else.
 */
export function readCalls(body: string): { auth: Auth | null; calls: Call[] } | undefined {
  let elements: unknown
  try {
    elements = JSON.parse(body)
  } catch {
    return undefined
  }
  if (!Array.isArray(elements) || !elements.every(isCall)) return undefined
  if (elements[0]?.method !== 'auth') return { auth: null, calls: elements }
  return { auth: elements[0].params as unknown as Auth, calls: elements.slice(1) }
}

const TOPIC_OF_EVENT = new Map<unknown, Topic>(
  Object.entries(TOPICS).map(([topic, { event }]) => [event, topic as Topic]),
)

/** The topic of an event name in `X-SC-Topic` (section 1, second table); undefined for an unknown name. */
export const topicOfEvent = (event: unknown): Topic | undefined => TOPIC_OF_EVENT.get(event)
