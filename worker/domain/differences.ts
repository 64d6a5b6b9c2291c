import { TOPIC_NAMES, type Topic } from './topics.ts'

/** Members of a call, as JSON: of one variation, or of the images of a set. */
export type Members = Readonly<Record<string, unknown>>

/** What a call told the Shop about a product. */
export interface Told<Time = Date> {
  topic: Topic
  members: Members
  /** When it left: the Shop works in this order. */
  sentAt: Time
  /** When the Shop took it. */
  at: Time
}

export interface Difference<Time = Date> {
  /** For people. */
  field: string
  /** What the Shop has; null: an empty value. */
  there: string | null
  /** What would be sent now. */
  here: string | null
  /** When the Shop took what it has. */
  since: Time
  /** Which changes bring it there. */
  topics: Topic[]
}

export interface Differences<Time = Date> {
  differences: Difference<Time>[]
  /** Fields of which no call is on record, so that nobody knows. */
  unknown: string[]
  /** Whether any call is on record. */
  known: boolean
}

/** What customers may see of a product, in the order of the page: no ids, and no constants of the protocol. */
const FIELDS: Record<string, string> = {
  title: 'Title',
  description: 'Description',
  price: 'Price',
  special_price: 'Special price',
  special_from_date: 'Special price from',
  special_to_date: 'Special price to',
  stock: 'Stock',
  consignment_stock: 'Consignment stock',
  status: 'Status',
  approval_status: 'QC status',
  brand: 'Brand',
  primary_category: 'Category',
  categories: 'More categories',
  attribute_set: 'Attribute set',
  tax_class: 'Tax class',
  shipment_type: 'Shipment type',
  product_identifier: 'Barcode',
  seller_sku: 'Seller SKU',
  seller: 'Seller',
  images: 'Images',
}

/** The protocol's calls have different names for the same. */
const ALIASES: Partial<Record<Topic, Record<string, string>>> = {
  price: { price_special: 'special_price' },
  stock: { quantity: 'stock' },
  consignment_stock: { quantity: 'consignment_stock' },
}

/** As the protocol counts them. */
const QC = ['pending', 'approved', 'rejected']

/** The members by their common names, each as text; attributes one by one. What no customer sees is left out. */
function fieldsOf(topic: Topic, members: Members): Map<string, string | null> {
  const fields = new Map<string, string | null>()
  for (const [member, value] of Object.entries(members)) {
    if (member === 'attributes') {
      for (const [name, each] of Object.entries((value ?? {}) as Members))
        fields.set(`attributes.${name}`, textOf(each))
      continue
    }
    const name = ALIASES[topic]?.[member] ?? member
    if (name in FIELDS) fields.set(name, name === 'approval_status' ? (QC[Number(value)] ?? null) : textOf(value))
  }
  return fields
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null
  if (Array.isArray(value)) return value.length === 0 ? null : value.map(textOf).join('\n')
  if (typeof value === 'object') return 'url' in value ? String(value.url) : JSON.stringify(value)
  return String(value)
}

/**
 * What the Shop has of a product against what it would be sent now, field by field. Of each field that call counts
 * which was sent last, whatever its topic was: a content change carries the price, too.
 *
 * @param told calls that the Shop has taken, in any order
 * @param now by topic, what would be sent now
 */
export function differencesOf<Time extends Date>(
  told: readonly Told<Time>[],
  now: ReadonlyMap<Topic, Members>,
): Differences<Time> {
  const there = new Map<string, { value: string | null; at: Time }>()
  const attributesAt: { names: Set<string>; at: Time }[] = []
  for (const { topic, members, at } of told.toSorted((a, b) => a.sentAt.getTime() - b.sentAt.getTime())) {
    const fields = fieldsOf(topic, members)
    for (const [field, value] of fields) there.set(field, { value, at })
    if ('attributes' in members) attributesAt.push({ names: new Set(fields.keys()), at })
  }
  // an attribute that the last call no longer had is not in the Shop any more
  const last = attributesAt.at(-1)
  for (const field of there.keys())
    if (last && field.startsWith(ATTRIBUTE) && !last.names.has(field)) there.set(field, { value: null, at: last.at })

  const here = new Map<string, { value: string | null; topics: Topic[] }>()
  for (const topic of TOPIC_NAMES) {
    const members = now.get(topic)
    if (!members) continue
    for (const [field, value] of fieldsOf(topic, members)) {
      const known = here.get(field)
      if (known) known.topics.push(topic)
      else here.set(field, { value, topics: [topic] })
    }
  }
  // without a content call nobody knows what would be sent of them
  const gone = now.has('content') ? [...there].filter(([field]) => field.startsWith(ATTRIBUTE) && !here.has(field)) : []
  for (const [field] of gone) here.set(field, { value: null, topics: ['content'] })

  const differences: Difference<Time>[] = []
  const unknown: string[] = []
  for (const [field, { value, topics }] of [...here].toSorted(([a], [b]) => placeOf(a) - placeOf(b))) {
    const known = there.get(field)
    if (known && known.value !== value)
      differences.push({ field: labelOf(field), there: known.value, here: value, since: known.at, topics })
    else if (!known && field.startsWith(ATTRIBUTE) && last)
      differences.push({ field: labelOf(field), there: null, here: value, since: last.at, topics })
    else if (!known) unknown.push(labelOf(field))
  }
  return { differences, unknown, known: told.length > 0 }
}

const ATTRIBUTE = 'attributes.'
const labelOf = (field: string): string => FIELDS[field] ?? field.slice(ATTRIBUTE.length)
const ORDER = Object.keys(FIELDS)
const placeOf = (field: string): number => (field in FIELDS ? ORDER.indexOf(field) : ORDER.length)
