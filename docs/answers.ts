import { hiddenBy, SOLD_OUT } from '../worker/domain/hidden.ts'
import { INCIDENT_KINDS, type KeepsWaiting } from '../worker/domain/incident.ts'
import { type OpenItem, type ProductFacts, productVerdict, verdictToSeller } from '../worker/domain/product-verdict.ts'
import type { ReasonCode } from '../worker/domain/reasons.ts'
import { type ItemFacts, sellerAnswer } from '../worker/domain/seller-answer.ts'
import { STATUS_NAMES, STATUSES, type Status } from '../worker/domain/statuses.ts'

const NOW = new Date('2026-11-24T07:15:00Z')
const ZONE = 'Asia/Singapore'
const at = (minutes: number) => new Date(NOW.getTime() + minutes * 60_000)

const USUAL: ItemFacts = {
  topic: 'price',
  status: 'pending',
  reason: null,
  productTitle: 'Linen Shirt',
  sellerSku: 'LINEN-M',
  shopSku: 'AC12APP-7',
  queuedAt: at(-90),
  statusAt: at(-60),
  lastSentAt: at(-60),
  flow: 'asynchronous',
  failures: 0,
  sends: 1,
  maxRetries: 27,
  failedAfter: 12,
  nextAttemptAt: null,
  blockedBy: null,
  noCreate: null,
  heldBy: null,
  positionInSet: null,
  newer: null,
  incident: null,
  refusedSince: null,
  callbacksStopped: null,
  expectedAt: null,
  usualSeconds: null,
  hidden: null,
}

const failed = { code: 'failure', message: 'No size for this brand' } as const
const blocked = (code: ReasonCode, more: Partial<ItemFacts> = {}): [string, Partial<ItemFacts>] => [
  code,
  { status: 'blocked', reason: { code, message: null }, ...more },
]

/** Each status, with each reason that it may have and what stands beside it. */
const CASES: [string, Partial<ItemFacts>][] = [
  ['just queued', { queuedAt: at(0), statusAt: at(0) }],
  ['for long', {}],
  ['third in its set', { statusAt: at(0), positionInSet: 3 }],
  ['much waits', { statusAt: at(0), expectedAt: at(25) }],
  ...(['requeued', 'coalesced', 'newer_change', 'released', 'worker_lost', 'shop_busy', 'shop_away'] as const).map(
    (code): [string, Partial<ItemFacts>] => [code, { statusAt: at(0), reason: { code, message: null } }],
  ),
  [
    'behind a failed change',
    { heldBy: { id: '41', topic: 'price', status: 'failed', sellerSku: 'LINEN-L', nextAttemptAt: at(420) } },
  ],
  ...(['processing', 'building_payload', 'made_request'] as const).flatMap((status): [string, Partial<ItemFacts>][] => [
    ['at once', { status, statusAt: at(0) }],
    ['for long', { status }],
  ]),
  ['at once, it is known what is usual', { status: 'made_request', statusAt: at(0), usualSeconds: 201 }],
  ['', { status: 'got_acknowledgment' }],
  ['it is known what is usual', { status: 'got_acknowledgment', statusAt: at(-2), usualSeconds: 201 }],
  ['longer than is usual', { status: 'got_acknowledgment', usualSeconds: 201 }],
  ['callbacks are refused', { status: 'got_acknowledgment', refusedSince: at(-30) }],
  ['callbacks have stopped', { status: 'got_acknowledgment', callbacksStopped: { since: at(-30) } }],
  ...(['got_response', 'building_response_payload', 'response_processing'] as const).map(
    (status): [string, Partial<ItemFacts>] => ['', { status, statusAt: at(0) }],
  ),
  ['', { status: 'synced' }],
  ['nothing_to_send', { status: 'synced', reason: { code: 'nothing_to_send', message: null } }],
  ['a newer change waits', { status: 'synced', newer: { itemId: '43', status: 'pending' } }],
  ['a newer change has failed', { status: 'synced', newer: { itemId: '43', status: 'failed' } }],
  ...[
    hiddenBy({ sellerActive: false, active: true, qcStatus: 'approved' }),
    hiddenBy({ sellerActive: true, active: false, qcStatus: 'approved' }),
    hiddenBy({ sellerActive: true, active: true, qcStatus: 'rejected' }),
    hiddenBy({ sellerActive: true, active: true, qcStatus: 'pending' }),
    SOLD_OUT,
  ].map((hidden): [string, Partial<ItemFacts>] => [hidden!.why, { status: 'synced', hidden }]),
  ['discarded', { status: 'blocked', reason: { code: 'discarded', message: 'not needed' } }],
  ['product_deleted', { status: 'pending', reason: { code: 'product_deleted', message: null } }],
  ['failure', { status: 'delayed', reason: failed, failures: 2, statusAt: at(-3), nextAttemptAt: at(5) }],
  [
    'failure, its time has come',
    { status: 'delayed', reason: failed, failures: 2, statusAt: at(-9), nextAttemptAt: at(-1) },
  ],
  [
    'stock_wait',
    {
      status: 'delayed',
      queuedAt: at(-7),
      reason: { code: 'stock_wait', message: null },
      nextAttemptAt: at(3),
      sends: 0,
    },
  ],
  ['failure', { status: 'failed', reason: failed, failures: 14, nextAttemptAt: at(420) }],
  ['no retry left', { status: 'failed', reason: failed, failures: 28 }],
  ['no retry left, Images', { status: 'failed', topic: 'images', sellerSku: null, reason: failed, failures: 28 }],
  blocked('not_in_shop', { blockedBy: { itemId: '40', topic: 'new_product_set', status: 'pending' } }),
  blocked('not_in_shop', { blockedBy: { itemId: '40', topic: 'new_product_set', status: 'failed' } }),
  blocked('not_in_shop', { blockedBy: { itemId: '40', topic: 'new_product_set', status: 'got_acknowledgment' } }),
  blocked('not_in_shop'),
  blocked('not_in_shop', { noCreate: 'sent_next' }),
  blocked('new_variation', { topic: 'new_product', noCreate: 'sent_next' }),
  blocked('not_in_shop', { noCreate: 'qc_pending' }),
  blocked('not_in_shop', { noCreate: 'qc_rejected' }),
  blocked('new_variation', { blockedBy: { itemId: '40', topic: 'new_product', status: 'pending' } }),
  blocked('unprocessable_response'),
  blocked('src_id_conflict'),
  blocked('unknown_outcome', { topic: 'new_product' }),
]

const INCIDENTS: [string, NonNullable<ItemFacts['incident']>][] = [
  ...INCIDENT_KINDS.filter((kind): kind is Exclude<KeepsWaiting, 'paused'> =>
    ['no_worker', 'shop_away', 'shop_busy'].includes(kind),
  ).map((kind): [string, NonNullable<ItemFacts['incident']>] => [
    kind,
    { kind, since: at(-10), nextAt: null, pause: null },
  ]),
  ...[true, false].map((endsItself): [string, NonNullable<ItemFacts['incident']>] => [
    endsItself ? 'paused' : 'paused, an admin ends it',
    {
      kind: 'paused',
      since: at(-10),
      nextAt: at(20),
      pause: { topic: null, sellerId: null, sellerName: null, endsItself, reason: 'The Shop moves' },
    },
  ]),
]
const HINDERED: [string, Partial<ItemFacts>][] = [
  ['', { statusAt: at(0) }],
  ['', { status: 'delayed', reason: failed, failures: 2, nextAttemptAt: at(-1) }],
  ['', { status: 'failed', reason: failed, failures: 14, nextAttemptAt: at(-1) }],
  blocked('not_in_shop', { noCreate: 'sent_next' }),
]

/** Every case of the answer for the seller: what it is, and the facts. */
export const ANSWER_CASES: { about: string; facts: ItemFacts }[] = [
  ...CASES.map(([about, facts]) => ({ about, facts: { ...USUAL, ...facts } })),
  ...INCIDENTS.flatMap(([kind, incident]) =>
    HINDERED.map(([, facts]) => ({ about: kind, facts: { ...USUAL, ...facts, incident } })),
  ),
]

const item = (status: Status, more: Partial<OpenItem> = {}): OpenItem => ({
  id: '42',
  topic: 'price',
  status,
  reason: status === 'failed' || status === 'delayed' ? 'failure' : null,
  message: status === 'failed' || status === 'delayed' ? 'No size for this brand' : null,
  failures: status === 'failed' ? 14 : status === 'delayed' ? 2 : 0,
  statusAt: at(-60),
  nextAttemptAt: status === 'failed' || status === 'delayed' ? at(60) : null,
  heldBy: null,
  ...more,
})
const PLACES: [string, Partial<ProductFacts>][] = [
  ['', {}],
  ['the seller is not active', { sellerActive: false }],
  ['the product is not active', { active: false }],
  ['in quality control', { qcStatus: 'pending' }],
  ['rejected', { qcStatus: 'rejected' }],
]
const QUEUES: [string, OpenItem[]][] = [
  ['nothing', []],
  ...(['pending', 'got_acknowledgment', 'delayed', 'failed', 'blocked'] as const).map(
    (status): [string, OpenItem[]] => [
      STATUSES[status].label,
      [item(status, status === 'blocked' ? { reason: 'unprocessable_response' } : {})],
    ],
  ),
  ...(['delayed', 'failed'] as const).map((status): [string, OpenItem[]] => [
    `Pending, behind a ${STATUSES[status].label} one`,
    [item('pending', { heldBy: { id: '41', topic: 'price', status, sellerSku: 'LINEN-L', nextAttemptAt: at(120) } })],
  ]),
]

const toCreate = (change: OpenItem): OpenItem => ({
  ...change,
  topic: 'new_product_set',
  heldBy: change.heldBy && { ...change.heldBy, topic: 'new_product_set', sellerSku: null },
})

/** Every case of how it stands with a product. */
export const VERDICT_CASES: { about: string; facts: ProductFacts }[] = [true, false].flatMap((inShop) =>
  PLACES.flatMap(([place, facts]) =>
    QUEUES.map(([queue, items]) => ({
      about: [inShop ? 'in the Shop' : 'not in the Shop', place, `in the queue: ${queue}`].filter(Boolean).join('; '),
      facts: {
        sellerActive: true,
        active: true,
        qcStatus: 'approved' as const,
        inShop,
        syncedAt: inShop ? at(-1440) : null,
        items: inShop ? items : items.map(toCreate),
        ...facts,
      },
    })),
  ),
)

const row = (...cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`

/** The text of docs/answers.md. */
export const answers = (): string => `<!-- Generated by npm run papers from docs/answers.ts. -->

# Answers

What people are told, so that all of it can be read on one page. The time is 15:15 in ${ZONE.split('/')[1]}, the \
venture's zone. The sentences are in \`worker/domain/\` (\`seller-answer.ts\`, \`hidden.ts\`, \`product-verdict.ts\`), \
the cases in \`docs/answers.ts\`.

## To the seller, about an item

${['| status | what else | who acts | the answer |', '|---|---|---|---|']
  .concat(
    ANSWER_CASES.toSorted((a, b) => STATUS_NAMES.indexOf(a.facts.status) - STATUS_NAMES.indexOf(b.facts.status)).map(
      ({ about, facts }) => {
        const { text, whoActs } = sellerAnswer(facts, NOW, ZONE)
        return row(STATUSES[facts.status].label, about, whoActs, text)
      },
    ),
  )
  .join('\n')}

## To the admin, about a product

${['| the product | who acts | how it stands |', '|---|---|---|']
  .concat(
    VERDICT_CASES.map(({ about, facts }) => {
      const { text, whoActs } = productVerdict(facts)
      return row(about, whoActs, text)
    }),
  )
  .join('\n')}

## To the seller, about a product

Where an item explains it better, what the first table says of that item; else how it stands, with what is next:

${['| the product | who acts | the answer |', '|---|---|---|']
  .concat(
    VERDICT_CASES.filter(({ facts }) => facts.items.length === 0).map(({ about, facts }) => {
      const { text, whoActs } = verdictToSeller('Linen Shirt', 'LINEN-M', productVerdict(facts))
      return row(about, whoActs, text)
    }),
  )
  .join('\n')}
`
