import { z } from '@hono/zod-openapi'
import { PREVIEWED, SKIPPED_LISTED } from '../../admin/actions.ts'
import { SETS_LISTED } from '../../admin/part.ts'
import { isAllowListEntry } from '../../allow-list.ts'
import { ID } from '../../domain/ids.ts'
import { INCIDENT_KINDS, REFUSED_FOR } from '../../domain/incident.ts'
import { ORDERS } from '../../domain/orders.ts'
import { LONGEST_PAUSE_DAYS, PAUSE_STATES } from '../../domain/pause.ts'
import { CELLS, PRODUCT_STATES, VERDICTS } from '../../domain/product-verdict.ts'
import { ADMIN_RESOLVES, NO_CREATES, REASONS, REFUSALS } from '../../domain/reasons.ts'
import { REQUEUE_INCLUDES } from '../../domain/requeue.ts'
import { OUTCOMES, RUN_KINDS, RUN_STATES, type RunKind } from '../../domain/run.ts'
import { PRODUCTS_A_FRAGMENT, PRODUCTS_A_PREFIX, SKUS_A_LIST } from '../../domain/search.ts'
import { FLOWS, readStatusFilter, STATUS_NAMES, TABS, type Tab } from '../../domain/statuses.ts'
import { TOPIC_NAMES, TOPICS } from '../../domain/topics.ts'
import { WINDOW_NAMES } from '../../domain/windows.ts'
import { CAUSE_TABS, SELLERS_COUNTED } from '../../read/causes.ts'
import { BODY_PARTS, BODY_SHOWN } from '../../read/item-history.ts'
import { COUNTED_UP_TO } from '../../read/sellers.ts'
import { LOOKED_AT } from '../../read/unanswered.ts'

/** One set of schemas validates input, types output, and generates the OpenAPI document. */

/** Ids are strings in JSON. A number is accepted too, if JavaScript has not rounded it. */
export const id = z.coerce.string().regex(ID, 'must be an id').openapi({ example: '42' })
const time = z.iso.datetime().openapi({ example: '2026-11-24T07:15:00.000Z' })
const NO_TIME = 'must be a time like 2026-11-24T07:15:00Z'
/**
 * Times in any zone are passed on in UTC: PostgreSQL supports neither the years 0 and 10000 nor every offset that JSON
 * times may have.
 */
const moment = z.iso
  .datetime({ offset: true, error: NO_TIME, abort: true })
  .refine((text) => isYear(new Date(text).getUTCFullYear()), { error: NO_TIME, abort: true })
  .overwrite((text) => new Date(text).toISOString())
  .openapi({ format: 'date-time' })
const isYear = (year: number): boolean => year >= 1 && year <= 9999
/** PostgreSQL's text type stores every character but this one. */
const text = (most: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(most)
    .refine((value) => !value.includes('\u0000'), { error: 'must not hold U+0000' })
/** As PostgreSQL hashes: it may be negative. */
const causeId = z
  .string()
  .refine((text) => /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text), {
    error: 'must be the id of a cause',
  })
const topic = z.enum(TOPIC_NAMES)
const status = z.enum(STATUS_NAMES)
/** A query may have the parameter more than once, a body a list. */
const statusFilter = z
  .preprocess(
    (given) => (Array.isArray(given) ? given.join(',') : given),
    z
      .string()
      .max(400)
      .superRefine((text, context) => {
        const read = readStatusFilter(text)
        if (typeof read === 'string') context.addIssue({ code: 'custom', message: read })
      }),
  )
  .openapi({
    type: 'string',
    example: 'failed,delayed',
    description:
      `Of ${STATUS_NAMES.map((name) => `\`${name}\``).join(', ')}: one or several, separated by commas or each as a ` +
      'parameter of its own; with a minus before each: all but these',
  })
const flow = z.enum(FLOWS)
const count = z.int().min(0)
const seconds = z.number().min(0)

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    field: z.string().optional().openapi({ description: 'The first of `errors`' }),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .openapi('Problem')

/** What a tab hands on to the next. */
const carried = {
  topic: topic.optional(),
  seller: text(200).optional().openapi({ description: 'Id or name' }),
  set: id.optional().openapi({ description: 'Id of a product set, and nothing else' }),
  q: text(200)
    .optional()
    .openapi({
      description:
        'A seller SKU or Shop SKU, to the letter or its beginning; the id of a product, set, item or request; the ' +
        'name of a seller (his id goes into `seller`)',
    }),
  from: moment.optional().openapi({ description: 'Queued at or after' }),
  to: moment.optional().openapi({ description: 'Queued before' }),
}
const selection = {
  tab: z.enum(TABS).optional().openapi({
    description: 'Pending includes Blocked. Without a tab: all of the queue; with `q` or `set`, what is Synced too',
  }),
  status: statusFilter.optional(),
  reason: z.enum(REASONS).optional().openapi({ description: 'Why it is Delayed, Failed or Blocked' }),
  cause: causeId.optional().openapi({ description: 'Id of a cause, see `/api/causes`' }),
  ...carried,
}

const sort = z
  .enum([...ORDERS, ...ORDERS.map((order) => `-${order}` as const)])
  .optional()
  .openapi({
    description:
      'A minus: descending. Default: oldest first for Pending, newest first otherwise. `queuedAt` is the order of ' +
      'queueing, the same as `id`. `statusAt` is for lists without Pending and Synced items; `nextAttemptAt` for ' +
      'those of Delayed and Failed',
  })

export const downloadQuery = z.strictObject({ ...selection, sort })
export const listQuery = downloadQuery.extend({
  cursor: z.string().max(500).optional().openapi({ description: '`nextCursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(500).default(50),
})

const holder = z.object({
  id,
  topic,
  status,
  sellerSku: z.string().nullable().openapi({ description: 'Null for a topic of a whole product set' }),
  nextAttemptAt: time,
})

const itemShape = {
  id,
  sellerId: id,
  sellerName: z.string().nullable(),
  productSetId: id,
  productId: id.nullable().openapi({ description: 'Null for a topic of a whole product set' }),
  sellerSku: z
    .string()
    .nullable()
    .openapi({ description: 'Of a whole product set: those of its first three variations, joined by ", "' }),
  sku: z.string().nullable().openapi({ description: 'The Shop SKU, as `sellerSku`' }),
  topic,
  status,
  reason: z.object({ code: z.enum(REASONS), message: z.string().nullable() }).nullable(),
  queuedAt: time,
  statusAt: time,
  requeuedCount: count.openapi({ description: 'How often it was sent again' }),
  lastRequeuedAt: time.nullable(),
  failedAt: time
    .nullable()
    .openapi({ description: 'When the attempt was made that failed last, in the present retry cycle' }),
  failures: count.openapi({ description: 'In the present retry cycle' }),
  nextAttemptAt: time.nullable(),
  retriesLeft: count.nullable().openapi({ description: 'Null once it has left the queue' }),
  flow: flow.nullable().openapi({ description: 'That the last request was sent in' }),
  requestId: id.nullable().openapi({ description: 'Of the last request' }),
  traceId: z.string().nullable().openapi({ description: 'Of the last attempt, as long as its request is kept' }),
  coalesced: count.openapi({ description: 'Changes that this item has absorbed' }),
  cause: z
    .object({ id: causeId, pattern: z.string() })
    .nullable()
    .openapi({ description: 'Why it is Delayed, Failed or Blocked: its message without what varies between items' }),
  blockedBy: id.nullable().openapi({ description: 'The item that creates what this one waits for' }),
  noCreate: z.enum(NO_CREATES).nullable().openapi({
    description: 'Why nothing that creates its product is due; `sent_next`: this waits for nothing any more',
  }),
  heldBy: holder
    .nullable()
    .openapi({ description: 'The Delayed or Failed item of the same product set that goes before it' }),
}
export const itemSchema = z.object(itemShape).openapi('Item')
export type Item = z.infer<typeof itemSchema>

const total = z.object({ count, exact: z.boolean().openapi({ description: 'False: there are more than `count`' }) })
export const itemsSchema = z
  .object({
    items: z.array(itemSchema),
    nextCursor: z.string().nullable(),
    total,
    truncated: z.boolean().openapi({
      description:
        `More products begin with \`q\` than the ${PRODUCTS_A_PREFIX} that were looked up; no download or requeue ` +
        'takes it',
    }),
  })
  .openapi('Items')
export type Items = z.infer<typeof itemsSchema>

export const countsQuery = z.strictObject(carried)
export const countsSchema = z
  .object(Object.fromEntries(TABS.map((tab) => [tab, total])) as Record<Tab, typeof total>)
  .openapi('Counts')
export type Counts = z.infer<typeof countsSchema>

export const transitionSchema = z
  .object({
    from: status.nullable(),
    to: status,
    at: time,
    seconds: seconds.nullable().openapi({ description: 'Spent in `from`' }),
    reason: z.enum(REASONS).nullable(),
    actor: z.string().nullable(),
    note: z
      .string()
      .nullable()
      .openapi({ description: 'Why the actor did it, in his words; without one, what is worth knowing of the answer' }),
  })
  .openapi('Transition')
export type Transition = z.infer<typeof transitionSchema>

const BEGINNING = `The first ${BODY_SHOWN} characters; \`/api/items/{id}/calls/{requestId}/…\` has the whole`

export type { BodyPart } from '../../read/item-history.ts'
export const bodyParams = z.object({ id, requestId: id, part: z.enum(BODY_PARTS) })

export const callSchema = z
  .object({
    requestId: id,
    method: z.enum([...new Set(TOPIC_NAMES.map((name) => TOPICS[name].method))]),
    flow,
    sentAt: time,
    answeredAt: time.nullable(),
    milliseconds: z.number().nullable(),
    httpStatus: z.int().nullable(),
    outcome: z.enum(['success', 'acknowledged', 'failure', 'unprocessable', 'unreachable', 'busy']).nullable(),
    request: z.string().openapi({ description: `The call as JSON, without the auth element. ${BEGINNING}` }),
    requestBytes: count,
    response: z
      .string()
      .nullable()
      .openapi({ description: `The raw answer on the same exchange. ${BEGINNING}` }),
    responseBytes: count.nullable(),
    callbackAt: time.nullable(),
    callback: z
      .string()
      .nullable()
      .openapi({ description: `The result that the callback brought, as JSON. ${BEGINNING}` }),
    callbackBytes: count.nullable(),
    traceId: z.string().nullable().openapi({ description: 'Of the attempt' }),
    callbackTraceId: z.string().nullable().openapi({ description: 'Of the callback, which begins a trace of its own' }),
  })
  .openapi('Call')
export type Call = z.infer<typeof callSchema>

export const itemDetailSchema = z
  .object({
    ...itemShape,
    blockedByItem: z
      .object({ id, topic, status })
      .nullable()
      .openapi({ description: '`blockedBy`, with what it is and how it stands' }),
    title: z.string().nullable().openapi({ description: 'Of the product, or of the product set' }),
    positionInSet: count
      .nullable()
      .openapi({ description: 'While it waits for its turn: 1 is the next of its product set' }),
    sellerAnswer: z.object({ text: z.string(), whoActs: z.enum(['nobody', 'seller', 'admin', 'shop', 'sre']) }),
    transitions: z.array(transitionSchema),
    calls: z.array(callSchema),
  })
  .openapi('ItemDetail')
export type ItemDetail = z.infer<typeof itemDetailSchema>

const force = z
  .boolean()
  .default(false)
  .openapi({ description: 'Past the three conditions: seller, product, quality control. Needs a reason' })
function hasReason(
  { force, reason, dryRun }: { force: boolean; reason?: string | undefined; dryRun?: boolean },
  context: z.RefinementCtx,
) {
  if (force && !dryRun && reason === undefined)
    context.addIssue({ code: 'custom', path: ['reason'], message: 'is needed to go past the conditions' })
}

export const enqueueBody = z
  .strictObject({
    topic,
    productId: id.optional(),
    productSetId: id.optional(),
    reason: text(500).optional(),
    force,
  })
  .superRefine(hasReason)
  .superRefine(({ topic, productId, productSetId }, context) => {
    const [needed, other] =
      TOPICS[topic].subject === 'product'
        ? (['productId', 'productSetId'] as const)
        : (['productSetId', 'productId'] as const)
    const given = { productId, productSetId }
    if (given[needed] === undefined)
      context.addIssue({ code: 'custom', path: [needed], message: `is needed for the topic ${topic}` })
    if (given[other] !== undefined)
      context.addIssue({ code: 'custom', path: [other], message: `does not go with the topic ${topic}` })
  })
  .openapi('Enqueue')
export const enqueuedSchema = z.object({ itemId: id, coalesced: z.boolean() }).openapi('Enqueued')
export type Enqueued = z.infer<typeof enqueuedSchema>

const ids = z.array(id).min(1).max(10_000)
const several = {
  itemIds: ids.optional(),
  productSetIds: ids.optional(),
  filter: z.strictObject(selection).optional(),
  include: z.array(z.enum(REQUEUE_INCLUDES)).min(1).optional(),
  reason: text(500).optional(),
}
const beyond = {
  force,
  mayCreateTwice: z
    .boolean()
    .default(false)
    .openapi({ description: 'Also creations that the Shop may have carried out: it may create them twice' }),
}
function isOneTarget(body: { [name in 'itemIds' | 'productSetIds' | 'filter']?: unknown }, context: z.RefinementCtx) {
  const given = (['itemIds', 'productSetIds', 'filter'] as const).filter((name) => body[name] !== undefined)
  if (given.length !== 1) {
    context.addIssue({
      code: 'custom',
      path: [given[1] ?? 'itemIds'],
      message: 'exactly one of itemIds, productSetIds and filter is needed',
    })
  }
}
export const requeueBody = z
  .strictObject({
    ...several,
    include: several.include.openapi({
      description: 'Default: failed, and the tab or status of the filter where that is delayed or blocked',
    }),
    ...beyond,
    dryRun: z.boolean().default(false),
  })
  .superRefine(isOneTarget)
  .superRefine(hasReason)
  .openapi('Requeue')
export const creationsBody = z
  .strictObject({ ...several, include: several.include.openapi({ description: 'Default: blocked' }) })
  .superRefine(isOneTarget)
  .openapi('Creations')
const runId = id.openapi({ description: 'Of its run, under `/api/runs`' })
export const creationsSchema = z
  .object({
    runId,
    queued: count.openapi({ description: 'Product sets whose creation has been queued' }),
    items: count.openapi({ description: 'Items that wait for one of them' }),
  })
  .openapi('CreationsQueued')
export type CreationsQueued = z.infer<typeof creationsSchema>
const numbersOfRun = {
  productSets: count,
  variations: count.openapi({ description: 'Of those product sets' }),
  firstProductSets: z.array(id).openapi({ description: `The first ${SETS_LISTED} of them` }),
  skippedTotal: count,
  skippedByReason: z.partialRecord(z.enum(REFUSALS), count),
  blockedAgain: count.openapi({
    description: 'Of the requeued, those that are only Blocked again: the Shop does not have their product',
  }),
  uncreatedSets: count.openapi({
    description: 'Product sets of those that nothing in the queue creates: `/api/creations` does',
  }),
}
const skipped = z
  .array(z.object({ itemId: id, reason: z.enum(REFUSALS) }))
  .openapi({ description: `The first ${SKIPPED_LISTED}` })
const complete = z.boolean().openapi({
  description:
    `False: a preview that ended after ${PREVIEWED.items.toLocaleString('en')} items or ` +
    `${PREVIEWED.milliseconds / 1000} seconds; the numbers are those of the first ones`,
})
export const requeuedSchema = z
  .object({
    dryRun: z.boolean(),
    runId: runId.nullable().openapi({ description: 'Null in a dry run' }),
    requeued: count,
    skipped,
    ...numbersOfRun,
    complete,
  })
  .openapi('Requeued')
export type Requeued = z.infer<typeof requeuedSchema>

const furtherNumbers = {
  creates: count.openapi({ description: 'Of the items taken, those that create a product' }),
  queuedAnew: count.openapi({
    description: 'Of discard: changes that came since, which the Shop has not heard of, queued anew',
  }),
}
const target = z
  .union([
    z.object({ items: count }),
    z.object({ sets: count }),
    z.object({ products: count }),
    z.object({ filter: z.object(selection) }),
  ])
  .openapi({ description: 'What the run is about; of ids their number' })
const run = z.object({
  id,
  kind: z.enum(RUN_KINDS),
  target,
  cause: z.string().nullable().openapi({ description: 'The text of the cause in its filter' }),
  include: z.array(z.enum(REQUEUE_INCLUDES)).openapi({ description: 'Of requeue and creations' }),
  topics: z.array(topic).openapi({ description: 'Of send' }),
  reason: z.string().nullable(),
  force: z.boolean(),
  mayCreateTwice: z.boolean(),
  previewed: z
    .record(z.string(), count)
    .nullable()
    .openapi({ description: 'The numbers of the preview that the person saw' }),
  createdAt: time,
  createdBy: z.string(),
  state: z.enum(RUN_STATES),
  progressedAt: time.openapi({ description: 'When the last part was done' }),
  endedAt: time.nullable(),
  endedBy: z.string().nullable().openapi({ description: 'Who stopped it' }),
  taken: count.openapi({
    description:
      'Items so far: requeued, discarded, that carry what is sent, or that wait for a creation that was queued',
  }),
  ...numbersOfRun,
  ...furtherNumbers,
})
const leftAlone = z
  .array(
    z.object({
      itemId: id.nullable(),
      productId: id.nullable().openapi({ description: 'Of send, of which there is no item then' }),
      reason: z.enum(REFUSALS),
    }),
  )
  .openapi({ description: `The first ${SKIPPED_LISTED}` })
export const runSchema = run
  .extend({
    outcome: z.partialRecord(z.enum(OUTCOMES), count).openapi({ description: 'What became of the items taken so far' }),
    unread: count.openapi({
      description: 'Items taken that were not looked at yet, where they are too many to look at each',
    }),
    skipped: leftAlone,
  })
  .openapi('Run')
export type Run = z.infer<typeof runSchema>
const wanted = {
  kind: z.enum(RUN_KINDS),
  ...several,
  include: several.include.openapi({
    description:
      'Default: failed, and the tab or status of the filter where that is delayed or blocked; for creations: blocked',
  }),
  productIds: ids.optional().openapi({ description: 'Of send, instead of items' }),
  topics: z.array(topic).min(1).max(TOPIC_NAMES.length).optional().openapi({ description: 'Of send' }),
  ...beyond,
}
/** What each kind needs and takes; whatever else is given would be left undone in silence. */
function fitsItsKind(body: z.infer<z.ZodObject<typeof wanted>>, context: z.RefinementCtx) {
  const issue = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message })
  const takes = TAKES[body.kind]
  for (const name of ['include', 'force', 'mayCreateTwice', 'productIds', 'topics'] as const)
    if (body[name] && !takes.includes(name)) issue(name, `does not go with ${body.kind}`)
  if (body.kind !== 'send') return isOneTarget(body, context)
  for (const name of ['productIds', 'topics'] as const) if (body[name] === undefined) issue(name, 'is needed to send')
  for (const name of ['itemIds', 'productSetIds', 'filter'] as const)
    if (body[name] !== undefined) issue(name, 'does not go with send')
}
const BY_ITEMS = ['include', 'force', 'mayCreateTwice']
const TAKES: Record<RunKind, readonly string[]> = {
  requeue: BY_ITEMS,
  creations: BY_ITEMS,
  discard: [],
  send: ['productIds', 'topics', 'force'],
}
function hasItsReason({ kind, reason }: z.infer<z.ZodObject<typeof wanted>>, context: z.RefinementCtx) {
  if (kind === 'discard' && reason === undefined)
    context.addIssue({ code: 'custom', path: ['reason'], message: 'is needed to discard' })
}
export const runBody = z
  .strictObject({
    ...wanted,
    previewed: z.record(z.string().max(40), count).optional().openapi({ description: 'For the record' }),
  })
  .superRefine(fitsItsKind)
  .superRefine(hasItsReason)
  .superRefine(hasReason)
  .openapi('NewRun')
export const previewBody = z.strictObject(wanted).superRefine(fitsItsKind).openapi('RunToPreview')
export const previewSchema = z
  .object({
    kind: wanted.kind,
    taken: count.openapi({ description: 'Items that would be; of send also those that are yet to be queued' }),
    ...numbersOfRun,
    ...furtherNumbers,
    skipped: leftAlone,
    complete,
  })
  .openapi('RunPreview')
export type RunPreview = z.infer<typeof previewSchema>

export const entrySchema = z
  .object({
    id,
    at: time,
    actor: z.string(),
    action: z.string(),
    detail: z.record(z.string(), z.unknown()),
    runId: id.nullable(),
  })
  .openapi('Entry', { description: 'What somebody did by hand' })
export type Entry = z.infer<typeof entrySchema>
export const ENTRIES_A_PAGE = 50
export const recordQuery = z.strictObject({
  actor: text(200).optional().openapi({ description: 'The name of a person' }),
  action: text(40).optional().openapi({ description: 'For example `requeue`, `resolve`, `flow`' }),
  from: moment.optional(),
  to: moment.optional(),
  cursor: id.optional().openapi({ description: '`nextCursor` of the page before' }),
})
export const recordSchema = z
  .object({
    underWay: z.array(run).openapi({ description: 'Runs that have not ended' }),
    entries: z.array(entrySchema).openapi({ description: `The newest first, ${ENTRIES_A_PAGE} a page` }),
    nextCursor: id.nullable(),
  })
  .openapi('Runs')
export type RunsRecord = z.infer<typeof recordSchema>

export const resolveBody = z
  .strictObject({
    action: z.enum(['resend', 'discard', 'adopt']),
    reason: text(500),
    ...beyond,
    srcId: text(100).optional().openapi({ description: "Of adopt: the Shop's id of the product" }),
    shopSku: text(100).optional().openapi({ description: 'Of adopt: its SKU there' }),
    setSrcId: text(100)
      .optional()
      .openapi({ description: "Of adopt: the Shop's id of the set, where it is not known" }),
    productId: id.optional().openapi({ description: 'Of adopt: which product, where several have no id' }),
  })
  .superRefine(({ action, srcId, shopSku, setSrcId, productId }, context) => {
    for (const [name, value] of Object.entries({ srcId, shopSku, setSrcId, productId })) {
      const isNeeded = name === 'srcId' || name === 'shopSku'
      if (action === 'adopt' ? isNeeded && value === undefined : value !== undefined)
        context.addIssue({
          code: 'custom',
          path: [name],
          message: `${action === 'adopt' ? 'is needed' : 'goes'} with adopt`,
        })
    }
  })
  .openapi('Resolve', {
    description:
      `For items that are Blocked as ${ADMIN_RESOLVES.join(', ')}; adopt, for creates that are so or have failed: ` +
      'the Shop has the product already, under these ids',
  })
export const resolvedSchema = z
  .object({
    itemId: id,
    action: z.enum(['resend', 'discard', 'adopt']),
    status,
    missing: z
      .array(z.string())
      .openapi({ description: 'Of adopt: seller SKUs of the item that have no id yet; the item waits for them' }),
  })
  .openapi('Resolved')
export type Resolved = z.infer<typeof resolvedSchema>

const workers = z.array(z.object({ id, name: z.string(), flow }))
export const flowSchema = z.object({ wanted: flow, workers }).openapi('Flow')
export type FlowSettings = z.infer<typeof flowSchema>
export const flowBody = z.strictObject({ flow }).openapi('FlowChange')

const numbers = { toSend: count, awaitingShop: count, blocked: count, delayed: count, failed: count }
export const summarySchema = z
  .object({
    ...numbers,
    toResolve: z
      .array(z.object({ reason: z.enum(ADMIN_RESOLVES), count }))
      .openapi({ description: 'Blocked until an admin decides, by reason; counted up to 100,000' }),
    stranded: count.openapi({
      description:
        'Of the 500 items that have waited for longest for a create that is due, those of which it is Failed or ' +
        'not there; looked for among the 5,000 oldest',
    }),
    byStatus: z.array(
      z.object({ status, label: z.string(), count, oldestAt: time.nullable(), oldestSeconds: seconds.nullable() }),
    ),
    byTopic: z.array(z.object({ topic, label: z.string(), count, ...numbers })),
    flow: flowSchema,
    madeUpUntil: time.nullable().openapi({ description: 'Until when the history is made up, for the demo' }),
    shop: z
      .object({
        calls: count.openapi({ description: 'On their way, of all living workers, by their last heartbeats' }),
        limit: count.openapi({ description: 'As many may be: what the Shop takes, as far as it is known' }),
        busy: z
          .object({
            since: time,
            waitUntil: time.nullable().openapi({ description: 'Until then nothing leaves: Retry-After' }),
            perSecond: z.number().min(0).openapi({ description: 'Calls of all workers in a second' }),
          })
          .nullable()
          .openapi({
            description: 'While the Shop says "wait" (HTTP 429, or 503 with Retry-After); null: it does not',
          }),
      })
      .openapi({ description: 'How many calls leave' }),
    retries: z
      .object({ most: count, failedAfter: count, unitSeconds: seconds })
      .openapi({ description: '`MAX_RETRIES`, `FAILED_AFTER` and `RETRY_UNIT_SECONDS` of the worker that answers' }),
  })
  .openapi('Summary')
export type Summary = z.infer<typeof summarySchema>

const kpi = z.object({
  queued: count,
  synced: count.openapi({ description: 'Of those, the ones that are Synced by now' }),
  ratio: z.number().min(0).nullable().openapi({ description: 'synced / queued; null where nothing was queued' }),
  requests: count.openapi({ description: 'Sent to the Shop within the window' }),
  p50Seconds: seconds.nullable().openapi({ description: 'From queued to Synced' }),
  p95Seconds: seconds.nullable(),
})
export const kpisSchema = z.object({ '24h': kpi, '7d': kpi, '14d': kpi, '30d': kpi, '90d': kpi }).openapi('Kpis')
export type Kpis = z.infer<typeof kpisSchema>

export const chartsQuery = z.strictObject({ window: z.enum(WINDOW_NAMES).default('24h') })
const shares = z.array(z.number().min(0).nullable())
export const chartsSchema = z
  .object({
    window: z.enum(WINDOW_NAMES),
    queue: z
      .object({
        times: z.array(time),
        byStatus: z.array(z.object({ status, label: z.string(), counts: z.array(count.nullable()) })),
      })
      .openapi({ description: 'How many items, on average from each time on; null while nobody counted' }),
    synced: z
      .object({ times: z.array(time), queued: z.array(count), synced: z.array(count) })
      .openapi({ description: 'What was queued from each time on, and how much of that is Synced by now' }),
    calls: z
      .object({ times: z.array(time), successful: z.array(count), failed: z.array(count) })
      .openapi({ description: 'The calls to the Shop from each time on' }),
    shares: z
      .object({ '24h': shares, '7d': shares, '14d': shares, '30d': shares, '90d': shares })
      .openapi({ description: 'Of each window, by its parts, the share Synced by now; null where nothing was queued' }),
  })
  .openapi('Charts')
export type Charts = z.infer<typeof chartsSchema>

export const credentialSchema = z
  .object({
    allowedIps: z.array(z.string()),
    apiKeySetAt: time.nullable().openapi({ description: 'Of the newest key' }),
    keys: z
      .array(
        z.object({
          id,
          setAt: time,
          setBy: z.string().nullable(),
          lastUsedAt: time.nullable().openapi({ description: 'To within a minute' }),
        }),
      )
      .openapi({ description: 'The valid keys, the newest first' }),
    apiKey: z.string().optional().openapi({ description: 'A new key, shown this once' }),
  })
  .openapi('Credential')
export type Credential = z.infer<typeof credentialSchema>
export const credentialBody = z
  .strictObject({
    allowedIps: z
      .array(z.string().trim())
      .max(200)
      .superRefine((entries, context) => {
        for (const [place, entry] of entries.entries()) {
          if (!isAllowListEntry(entry))
            context.addIssue({
              code: 'custom',
              path: [place],
              message: `"${entry}" is neither an IP address nor a range`,
            })
        }
      })
      .optional(),
    rotateKey: z.literal(true).optional().openapi({ description: 'Make a new key' }),
    apiKey: z.string().min(1).max(200).optional().openapi({ description: 'Take this as the new key' }),
    withdrawKey: id
      .optional()
      .openapi({ description: 'The id of a key that is no longer valid, within two seconds at every worker' }),
  })
  .superRefine(({ allowedIps, rotateKey, apiKey, withdrawKey }, context) => {
    if (rotateKey && apiKey !== undefined)
      context.addIssue({ code: 'custom', path: ['apiKey'], message: 'does not go with rotateKey' })
    if (!allowedIps && !rotateKey && apiKey === undefined && withdrawKey === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['allowedIps'],
        message: 'one of allowedIps, rotateKey, apiKey and withdrawKey is needed',
      })
    }
  })
  .openapi('CredentialChange')

export const pauseSchema = z
  .object({
    id,
    topic: topic.nullable(),
    sellerId: id.nullable(),
    sellerName: z.string().nullable(),
    from: time,
    until: time.openapi({ description: 'The planned end' }),
    endsItself: z.boolean().openapi({ description: 'At the planned end; else a person ends it' }),
    reason: z.string(),
    createdAt: time,
    createdBy: z.string(),
    endedAt: time.nullable(),
    endedBy: z.string().nullable().openapi({ description: 'Null: by itself, or it has not ended' }),
    state: z.enum(PAUSE_STATES),
  })
  .openapi('Pause')
export type Pause = z.infer<typeof pauseSchema>
export const pausesSchema = z
  .object({ pauses: z.array(pauseSchema).openapi({ description: 'In force and planned ones, then the last ended' }) })
  .openapi('Pauses')
export type Pauses = z.infer<typeof pausesSchema>
export const pauseBody = z
  .strictObject({
    topic: topic.optional(),
    seller: text(200).optional().openapi({ description: 'Id or name; neither topic nor seller: everything' }),
    from: moment.optional().openapi({ description: 'Default, and at the earliest: now' }),
    until: moment.openapi({ description: `At most ${LONGEST_PAUSE_DAYS} days after it begins` }),
    endsItself: z
      .boolean()
      .default(true)
      .openapi({ description: 'False: it stays in force until a person ends it, and pages when `until` has passed' }),
    reason: text(500),
  })
  .superRefine(({ topic, seller }, context) => {
    if (topic !== undefined && seller !== undefined)
      context.addIssue({ code: 'custom', path: ['seller'], message: 'does not go with topic' })
  })
  .openapi('NewPause')

export const verdictSchema = z
  .object({
    code: z.enum(VERDICTS),
    text: z.string().openapi({ description: 'For an admin; what a seller is told is in `answer`' }),
    whoActs: z.enum(['nobody', 'seller', 'admin', 'shop', 'sre']),
    since: time.nullable(),
    next: time.nullable().openapi({ description: 'When it goes on by itself, where that is planned' }),
    itemId: id.nullable().openapi({ description: 'The item to look at first' }),
    heldBy: holder.nullable().openapi({ description: 'The item that goes first, where that one waits for its turn' }),
  })
  .openapi('Verdict', { description: 'Why a product is, or is not, in the Shop as the catalogue has it' })
const product = {
  id,
  productSetId: id,
  sellerId: id,
  sellerName: z.string(),
  sellerActive: z.boolean(),
  sellerSku: z.string(),
  sku: z.string().nullable().openapi({ description: "The Shop's" }),
  title: z.string().nullable(),
  active: z.boolean(),
  qcStatus: z.enum(['pending', 'approved', 'rejected']),
  inShop: z.boolean(),
  syncedAt: time.nullable().openapi({ description: 'When the Shop last took a change of it' }),
  openItems: count.openapi({ description: 'Changes of it, or of its whole set, in the queue' }),
  verdict: verdictSchema,
}
export const productSchema = z.object(product).openapi('Product')
export type Product = z.infer<typeof productSchema>
export const searchQuery = z.strictObject({ q: text(200) })
export const searchSchema = z
  .object({
    products: z
      .array(productSchema)
      .openapi({ description: `What is exactly that first; ${PRODUCTS_A_FRAGMENT} at most` }),
    truncated: z.boolean().openapi({ description: 'More products contain the words' }),
    tooShort: z.boolean().openapi({ description: 'So short that only whole SKUs, ids and names were looked up' }),
    sellers: z.array(z.object({ id, name: z.string(), active: z.boolean() })),
    itemIds: z.array(id).openapi({ description: 'The item, or the item of the request, with this id' }),
  })
  .openapi('SearchResult')
export type SearchResult = z.infer<typeof searchSchema>
export const skusBody = z.strictObject({ skus: z.array(text(200)).min(1).max(SKUS_A_LIST) }).openapi('Skus')
export const skusSchema = z
  .object({
    rows: z
      .array(z.object({ sku: z.string(), products: z.array(productSchema) }))
      .openapi({ description: 'In the order of the request; several products where several sellers have the SKU' }),
  })
  .openapi('SkusFound')
export type SkusFound = z.infer<typeof skusSchema>

const cell = z.object({
  topic,
  cell: z.enum(CELLS),
  itemId: id.nullable().openapi({ description: 'In the queue, or the last one that was Synced' }),
  at: time.nullable().openapi({ description: 'Since when it is so' }),
})
export const productSetSchema = z
  .object({
    productSetId: id,
    title: z.string().nullable(),
    sellerId: id,
    sellerName: z.string(),
    sellerActive: z.boolean(),
    srcId: z.string().nullable(),
    cells: z.array(cell).openapi({ description: 'Topics that are about the whole set' }),
    products: z.array(
      z.object({
        ...product,
        srcId: z.string().nullable(),
        price: z.string(),
        stock: z.int(),
        answer: z
          .object({ text: z.string(), whoActs: z.enum(['nobody', 'seller', 'admin', 'shop', 'sre']) })
          .nullable()
          .openapi({ description: 'For the seller; of the product that was asked for, or of the only one' }),
        cells: z.array(cell),
      }),
    ),
  })
  .openapi('ProductSet')
export type ProductSet = z.infer<typeof productSetSchema>
export const differencesQuery = z.strictObject({ product: id })
export const differencesSchema = z
  .object({
    inShop: z.boolean().openapi({ description: 'If not, nothing can differ' }),
    differences: z.array(
      z.object({
        field: z.string().openapi({ example: 'Price' }),
        there: z.string().nullable().openapi({ description: 'What the Shop took last; null: an empty value' }),
        here: z.string().nullable().openapi({ description: 'What would be sent now' }),
        since: time.openapi({ description: 'When the Shop took what it has' }),
        itemId: id.nullable().openapi({ description: 'The change in the queue that brings it there; null: none does' }),
      }),
    ),
    unknown: z.array(z.string()).openapi({
      description: 'Fields that no call on record has: what the Shop took of them is older than the history',
    }),
    known: z.boolean().openapi({ description: 'Whether any call is on record' }),
    impossible: z.string().nullable().openapi({ description: 'Why no call can be built from what the catalogue has' }),
  })
  .openapi('Differences')
export type Differences = z.infer<typeof differencesSchema>
export const timelineQuery = z.strictObject({
  cursor: z.string().max(500).optional().openapi({ description: '`nextCursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(100).default(20),
})
export const timelineSchema = z
  .object({
    changes: z.array(
      z.object({
        itemId: id,
        topic,
        productId: id.nullable(),
        sellerSku: z.string().nullable().openapi({ description: 'Null: of the whole set, or of a deleted product' }),
        status,
        reason: z.object({ code: z.enum(REASONS), message: z.string().nullable() }).nullable(),
        queuedAt: time,
        endedAt: time.nullable().openapi({ description: 'When it left the queue' }),
        steps: z
          .array(
            z.object({
              to: status,
              reason: z.enum(REASONS).nullable(),
              actor: z.string().nullable(),
              note: z.string().nullable(),
              times: count.openapi({ description: 'How often in a row' }),
              firstAt: time,
              lastAt: time,
              at: z.array(time).openapi({ description: 'When each was, the newest 100' }),
            }),
          )
          .openapi({ description: 'Where it came to rest, the oldest first; the newest thousand statuses are read' }),
      }),
    ),
    nextCursor: z.string().nullable(),
  })
  .openapi('Timeline')
export type Timeline = z.infer<typeof timelineSchema>
const causeShape = {
  id: causeId,
  reason: z.enum(REASONS),
  method: z.string().nullable(),
  httpStatus: z.int().nullable(),
  pattern: z.string().openapi({ description: 'The message without what varies between items' }),
}
export const sellerSchema = z
  .object({
    id,
    name: z.string(),
    active: z.boolean(),
    products: count.openapi({ description: `Counted up to ${COUNTED_UP_TO.toLocaleString('en')}, like all of it` }),
    notInShop: count,
    byStatus: z.array(z.object({ status, count, oldestAt: time })),
    synced: z
      .object({ count, within10Minutes: count, within24Hours: count })
      .openapi({ description: 'Of what was Synced within the last day' }),
    causes: z.array(z.object({ ...causeShape, count })),
  })
  .openapi('Seller')
export type Seller = z.infer<typeof sellerSchema>
export const productQuery = z.strictObject({ product: id.optional() })

const feedbackCursor = z.string().regex(/^[0-9a-f]{8}-\d{1,18}$/, 'is no nextCursor of this feed')
export const feedbackQuery = z.strictObject({
  after: feedbackCursor.optional().openapi({ description: 'The last `nextCursor`; without: from the beginning' }),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})
const productFeedback = z.object({
  productId: id,
  productSetId: id.nullable().openapi({ description: 'Null, like the SKUs: the product has been deleted' }),
  sellerId: id.nullable(),
  sellerSku: z.string().nullable(),
  sku: z.string().nullable().openapi({ description: "The Shop's" }),
  state: z.enum(PRODUCT_STATES).openapi({
    description:
      'in_shop: up to date; on_its_way: queued, or with the Shop; waiting: it goes on by itself, at a time or after ' +
      'something else; requires_action: it stands still until somebody acts; not_sent: nothing sends it',
  }),
  text: z.string().openapi({ description: 'For the seller, times in VENTURE_TIMEZONE' }),
  whoActs: z.enum(['nobody', 'seller', 'admin', 'shop', 'sre']).openapi({ description: 'As the text says' }),
  since: time.nullable().openapi({ description: 'Since when it is so; null: nobody knows' }),
  expectedAt: time.nullable().openapi({ description: 'When it goes on by itself, where that is planned' }),
  publishedAt: time,
  deleted: z.boolean().openapi({ description: 'It no longer exists in Seller Center' }),
})
export type ProductFeedback = z.infer<typeof productFeedback>
export const feedbackSchema = z
  .object({
    products: z.array(productFeedback),
    nextCursor: z
      .string()
      .nullable()
      .openapi({ description: 'For `after`, next time; null: nothing has been published yet' }),
    more: z.boolean().openapi({ description: 'There may be more now' }),
  })
  .openapi('Feedback')
export type Feedback = z.infer<typeof feedbackSchema>

export const incidentSchema = z
  .object({
    kind: z.enum(INCIDENT_KINDS),
    key: z.string().openapi({ description: 'Tells incidents of a kind apart: the id of a pause; else empty' }),
    title: z.string().openapi({ description: 'What is wrong' }),
    meaning: z.string().openapi({ description: 'What that means, and what happens next' }),
    since: time.nullable(),
    waiting: count.nullable().openapi({ description: 'Items that wait for its end; of a seller counted up to 10,000' }),
    nextAt: time
      .nullable()
      .openapi({ description: 'The next probe, the end of the wait that the Shop asked for, or of the pause' }),
    error: z.string().nullable().openapi({ description: 'Of `shop_away`: why the last call failed' }),
    perSecond: z.number().nullable().openapi({ description: 'Of `shop_busy`: calls of all workers in a second' }),
    refused: z
      .array(z.object({ remote: z.string(), cause: z.enum(REFUSED_FOR), n: count }))
      .nullable()
      .openapi({
        description:
          'Of `callbacks_refused`: addresses refused within a quarter of an hour; `address`: the key was valid, but ' +
          'the address is not on the white list',
      }),
    pause: z
      .object({
        topic: topic.nullable(),
        sellerId: id.nullable(),
        sellerName: z.string().nullable(),
        endsItself: z.boolean(),
        reason: z.string(),
      })
      .nullable()
      .openapi({ description: 'Of `paused`; neither topic nor seller: everything' }),
  })
  .openapi('Incident')
export type Incident = z.infer<typeof incidentSchema>
export const incidentsSchema = z.object({ incidents: z.array(incidentSchema) }).openapi('Incidents')
export type Incidents = z.infer<typeof incidentsSchema>

export const unansweredSchema = z
  .object({
    topics: z.array(
      z.object({
        topic,
        method: z.string(),
        items: count,
        sellers: count,
        oldestAt: time.openapi({ description: 'Since when the oldest is acknowledged' }),
        usualSeconds: seconds.openapi({
          description:
            'From then on an answer is late: 95 % of the last week were faster, and no alert calls the topic late ' +
            'before; where that is unknown, a day',
        }),
        example: z.object({ itemId: id, sellerSku: z.string().nullable() }),
      }),
    ),
    lastCallbackAt: time.nullable().openapi({ description: 'To within ten seconds; null: none yet' }),
    truncated: z.boolean().openapi({
      description: `Only the ${LOOKED_AT.toLocaleString('en')} acknowledged items queued first were looked at`,
    }),
  })
  .openapi('Unanswered')
export type Unanswered = z.infer<typeof unansweredSchema>

export const causesQuery = z.strictObject({
  tab: z.enum(CAUSE_TABS).optional().openapi({ description: 'Without: all, those of the past three months included' }),
  q: text(200).optional().openapi({ description: 'A part of the message or of the method' }),
})
export const causeSchema = z
  .object({
    ...causeShape,
    label: z.string().openapi({ description: 'Of the reason' }),
    example: z.string().nullable().openapi({ description: 'A whole message' }),
    firstAt: time,
    lastAt: time,
    items: count,
    sellers: count.openapi({ description: `Whatever the status of their items; counted up to ${SELLERS_COUNTED}` }),
    trend: z
      .array(count)
      .openapi({ description: 'How often an item came to it, by hour: the last 24, the oldest first' }),
    whoActs: z.enum(['nobody', 'seller', 'admin', 'shop', 'sre']),
  })
  .openapi('Cause')
export type Cause = z.infer<typeof causeSchema>
export const causesSchema = z.object({ causes: z.array(causeSchema) }).openapi('Causes')
export type Causes = z.infer<typeof causesSchema>
