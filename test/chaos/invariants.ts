import type { ReceivedCall } from '../../demo/shop/memory.ts'
import {
  countFaults,
  feedbackFaults,
  historyFaults,
  type KeptItem,
  type KeptStep,
  laneFaults,
  readItems,
  readSteps,
  runFaults,
} from '../invariants.ts'
import type { Stage } from './actions.ts'
import { LEASE_SECONDS } from './parts.ts'
import { type Creation, isCreate, type Ledger, readLedger } from './shop-ledger.ts'

export interface Violation {
  rule: keyof typeof RULES
  what: string
  /** What happened to the product or item, line by line. */
  story: string[]
}

const RULES = {
  rest: 'nothing moves any more once all is well',
  equal: 'what the Shop has last equals the catalogue',
  ends: 'each committed change ended Synced, or in a place that explains itself',
  once: 'nothing is created twice but where an exchange was lost or an admin wanted it, and a second id is an incident',
  single: 'no two calls of one product at once but of a worker that nobody heard of',
  living: 'nothing is taken from a worker that was there all the while',
  known: 'what the Shop has answered a worker that lives is on record',
  history: 'the history of each item is a legal path without a gap',
  counters: 'the counters equal a recount, and each set knows who is in flight and who waits',
  repaired: 'an id that an admin has set stays',
  quiet: 'no worker says that processing an item failed, or that a counter did not match the queue',
} as const

interface Answered {
  requestId: string
  itemId: string
  sentAt: number
  outcome: string | null
  httpStatus: number | null
  /** Of its callbacks. */
  callbacks: string[]
}

/** Everything that is read once nothing moves any more. */
interface Evidence {
  stage: Stage
  items: Map<string, KeptItem>
  /** By item, in order of time. */
  steps: Map<string, KeptStep[]>
  answers: Map<string, Answered>
  calls: ReceivedCall[]
  ledger: Ledger
  /** For each product, by its id. */
  srcIds: Map<string, string | null>
  /** What admins were told about ids, even if an item has moved on since. */
  incidents: { at: number; message: string }[]
}

/** Compares the catalogue, the queue, its history and the Shop's state with each other. */
export async function findViolations(stage: Stage, unrest: readonly string[]): Promise<Violation[]> {
  const evidence = await readEvidence(stage)
  return [
    ...unrest.map((what): Violation => ({ rule: 'rest', what, story: [] })),
    ...(unrest.length > 0 ? storiesOfMoving(evidence) : []),
    ...(await unequal(evidence)),
    ...ends(evidence),
    ...twice(evidence),
    ...together(evidence),
    ...robbed(evidence),
    ...forgotten(evidence),
    ...gaps(evidence),
    ...(await miscounted(stage)),
    ...undone(evidence),
    ...stage.parts.slots.flatMap((slot) =>
      slot
        .complaints()
        .map(
          (line): Violation => ({ rule: 'quiet', what: `worker ${slot.number}: ${line.slice(0, 1000)}`, story: [] }),
        ),
    ),
  ]
}

async function readEvidence(stage: Stage): Promise<Evidence> {
  const { sql, shop } = stage.parts
  const [items, steps] = [await readItems(sql), await readSteps(sql)]
  const answers = await sql<Answered[]>`
    select r.request_id as "requestId", r.item_id as "itemId",
      extract(epoch from r.sent_at)::float8 * 1000 as "sentAt", a.outcome, a.http_status as "httpStatus",
      coalesce((select array_agg(c.outcome) from shop_update.callback c where c.request_id = r.request_id::text),
        '{}') as callbacks
    from shop_update.request r left join shop_update.answer a on a.request_id = r.request_id and a.item_id = r.item_id`
  const products = await sql<{ id: string; srcId: string | null }[]>`select id, src_id as "srcId" from catalog.product`
  const incidents = await sql<{ at: number; message: string }[]>`
    select extract(epoch from at)::float8 * 1000 as at, message from chaos.incident`
  const calls = shop.calls().toReversed()
  return {
    stage,
    items: new Map(items.map((item) => [item.id, item])),
    steps: Map.groupBy(steps, ({ itemId }) => itemId),
    answers: new Map(answers.map((answer) => [answer.requestId, answer])),
    calls,
    ledger: readLedger(calls),
    srcIds: new Map(products.map(({ id, srcId }) => [id, srcId])),
    incidents,
  }
}

async function unequal(evidence: Evidence): Promise<Violation[]> {
  const { stage, ledger, items } = evidence
  const violations: Violation[] = []
  const products = await stage.parts.sql<
    {
      id: string
      srcId: string
      price: string
      special: string | null
      stock: string
      consignment: string
      description: string
      status: string
      qc: string
    }[]
  >`
    select id, src_id as "srcId", price::text, special_price::text as special,
      stock::text, consignment_stock::text as consignment, description,
      case when active then 'active' else 'inactive' end as status, qc_status as qc
    from catalog.product where src_id is not null order by id`
  for (const { id, srcId, price, special, stock, consignment, description, status, qc } of products) {
    const has = ledger.products.get(srcId)
    if (!has) {
      violations.push({
        rule: 'equal',
        what: `product ${id} has the id ${srcId}, which the Shop has never given`,
        story: storyOf(evidence, id),
      })
      continue
    }
    const differing = Object.entries({
      price: [price, has.price],
      specialPrice: [special, has.specialPrice],
      stock: [stock, has.stock],
      consignmentStock: [
        consignment === '0' && has.consignmentStock === null ? null : consignment,
        has.consignmentStock,
      ],
      description: [description, has.description],
      status: [status, has.status],
      approval: [['pending', 'approved', 'rejected'].indexOf(qc), has.approval],
    }).filter(([, [ours, theirs]]) => ours !== theirs)
    if (differing.length === 0) continue
    const said = differing
      .map(([name, [ours, theirs]]) => `${name} is ${ours}, the Shop has ${theirs} (request ${has.from[name]})`)
      .join('; ')
    violations.push({ rule: 'equal', what: `product ${id} (${srcId}): ${said}`, story: storyOf(evidence, id) })
  }

  const told = new Set([...items.values()].filter(({ topic }) => topic === 'images').map(({ setId }) => setId))
  const sets = await stage.parts.sql<{ id: string; srcId: string; hashes: string[] }[]>`
    select s.id, s.src_id as "srcId", coalesce((select array_agg(hash order by position) from catalog.product_image m
      where m.product_set_id = s.id), '{}') as hashes
    from catalog.product_set s where s.src_id is not null
      -- a set without products is not sent until it has one
      and exists (select from catalog.product p where p.product_set_id = s.id)
    order by s.id`
  for (const { id, srcId, hashes } of sets) {
    const has = ledger.images.get(srcId)
    if (!told.has(id) || has?.hashes.join() === hashes.join()) continue
    violations.push({
      rule: 'equal',
      what: `the images of set ${id} (${srcId}) are not those that the Shop has (request ${has?.from})`,
      story: storyOfSet(evidence, id),
    })
  }
  return violations
}

function ends({ stage, items, steps, ...evidence }: Evidence): Violation[] {
  const violations: Violation[] = []
  const changes = new Map(stage.done.changes.map((change) => [change.itemId, change]))
  for (const { itemId, topic, productId, setId } of changes.values()) {
    const subject = `${topic} of ${productId === null ? `set ${setId}` : `product ${productId}`}`
    const story = () => storyOfItems({ stage, items, steps, ...evidence }, [itemId])
    const item = items.get(itemId)
    if (!item)
      violations.push({
        rule: 'ends',
        what: `item ${itemId} (${subject}) is neither in the queue nor in the history`,
        story: story(),
      })
    else if (item.lane !== null && (item.lane !== 'blocked' || item.reason === null))
      violations.push({
        rule: 'ends',
        what: `item ${itemId} (${subject}) is ${item.status} (${item.lane}), reason ${item.reason}`,
        story: story(),
      })
  }
  // Synced, although there was no product left to report.
  for (const item of items.values()) {
    const deletedAt = item.productId === null ? undefined : stage.done.deleted.get(item.productId)
    if (item.lane !== null || item.status !== 'synced' || item.sends > 0 || item.reason !== 'nothing_to_send') continue
    if (deletedAt !== undefined && deletedAt < item.at - 1000)
      violations.push({
        rule: 'ends',
        what: `item ${item.id} is called Synced, though its product had been deleted and nothing was ever sent`,
        story: storyOfItems({ stage, items, steps, ...evidence }, [item.id]),
      })
  }
  return violations
}

/**
 * Requests whose product the worker may rightly have created again: their exchange was lost, or an admin was involved.
 */
function isExcused({ answers, steps, calls }: Evidence, requestId: string): boolean {
  const answer = answers.get(requestId)
  if (!answer) return false
  if (answer.outcome === 'unreachable' || answer.outcome === 'failure') return true
  const sentAt = Date.parse(calls.find((call) => call.requestId === requestId)!.receivedAt)
  return (steps.get(answer.itemId) ?? []).some(({ actor, at }) => actor !== null && at >= sentAt)
}

/**
 * Whether an admin has been told of this very id, or of another one in the same answer: that of the set, or of another
 * of its products.
 */
function isIncident({ incidents, calls, ledger }: Evidence, { requestId }: Creation): boolean {
  const { call, done, receivedAt } = calls.find((one) => one.requestId === requestId)!
  const ofProducts = ledger.creations.filter((one) => one.requestId === requestId).map(({ srcId }) => srcId)
  const madeSet = call.params.config_id == null && Array.isArray(done)
  const ofSet = madeSet ? done.flatMap((row) => (row.status === 'success' ? row.product.config_id : [])) : []
  return incidents.some(({ at, message }) => {
    const brought = /^Product set|'s set id/.test(message) ? ofSet : ofProducts
    const [, id = ''] = /(?:the answer brings|gave the id|'s (?:product|set) id) (\w+)/.exec(message) ?? []
    return brought.includes(id) && at >= Date.parse(receivedAt)
  })
}

function twice(evidence: Evidence): Violation[] {
  const { ledger, stage, answers, calls, srcIds } = evidence
  const violations: Violation[] = []
  for (const [productId, creations] of Map.groupBy(ledger.creations, (creation) => creation.productId)) {
    if (creations.length === 1) continue
    const ids = creations.map(({ srcId }) => srcId).join(', ')
    // The last needs no excuse, unless it came before the previous one was known: then the previous one needs it.
    const unexcused = creations.slice(0, -1).filter(({ requestId }) => !isExcused(evidence, requestId))
    if (unexcused.length > 0 && !stage.done.repaired.has(productId)) {
      violations.push({
        rule: 'once',
        what:
          `product ${productId} was created ${creations.length} times (${ids}), and nothing excuses it after request ` +
          unexcused.map(({ requestId }) => requestId).join(', '),
        story: storyOf(evidence, productId),
      })
    }
    // Both ids were reported, so the second was seen.
    const toldIds = creations.filter(({ requestId }) => {
      const answer = answers.get(requestId)
      const call = calls.find((one) => one.requestId === requestId)
      const asItWas = call?.result === call?.done
      return answer?.outcome === 'success' || (asItWas && answer?.callbacks.some((outcome) => outcome !== 'unknown'))
    })
    if (toldIds.length < 2 || stage.done.deleted.has(productId) || stage.done.repaired.has(productId)) continue
    // The catalogue has one of them. An incident names each other one, or one that came in the same answer.
    const kept = toldIds.some(({ srcId }) => srcId === srcIds.get(productId)) ? 0 : 1
    const untold = toldIds.filter(
      (creation) => creation.srcId !== srcIds.get(productId) && !isIncident(evidence, creation),
    )
    if (untold.length > kept)
      violations.push({
        rule: 'once',
        what:
          `the Shop told product ${productId} the ids ${toldIds.map(({ srcId }) => srcId).join(', ')}, and no ` +
          `incident names ${untold.map(({ srcId }) => srcId).join(', ')}`,
        story: storyOf(evidence, productId),
      })
  }
  return violations
}

/** For the worker, an abandoned call ends at its time-out, however late the Shop notices. */
function endOf({ answers, stage }: Evidence, { requestId, endedAt, receivedAt }: ReceivedCall): number {
  const seen = endedAt === null ? Number.POSITIVE_INFINITY : Date.parse(endedAt)
  return answers.get(requestId)?.outcome === 'unreachable'
    ? Math.min(seen, Date.parse(receivedAt) + stage.parts.shopTimeoutMs)
    : seen
}

const workerOf = ({ path }: ReceivedCall): number => Number(path.slice(-1))

function together(evidence: Evidence): Violation[] {
  const { calls, stage } = evidence
  const violations: Violation[] = []
  const bySubject = new Map<string, ReceivedCall[]>()
  for (const call of calls) {
    for (const subject of subjectsOf(evidence, call)) {
      const list = bySubject.get(subject)
      if (list) list.push(call)
      else bySubject.set(subject, [call])
    }
  }
  for (const [subject, ofSubject] of bySubject) {
    for (const [place, call] of ofSubject.entries()) {
      const from = Date.parse(call.receivedAt)
      for (const earlier of ofSubject.slice(0, place)) {
        if (endOf(evidence, earlier) <= from) continue
        const excused = stage.parts.isolations.some(
          (one) =>
            one.worker === workerOf(earlier) &&
            one.from <= from &&
            one.to + LEASE_SECONDS * 1000 >= Date.parse(earlier.receivedAt),
        )
        if (excused) continue
        violations.push({
          rule: 'single',
          what:
            `${subject}: request ${call.requestId} of worker ${workerOf(call)} came at ${call.receivedAt}, ` +
            `request ${earlier.requestId} of worker ${workerOf(earlier)} lasted ` +
            `from ${earlier.receivedAt} to ${earlier.endedAt}`,
          story: subject.startsWith('product')
            ? storyOf(evidence, subject.split(' ')[1]!)
            : storyOfSet(evidence, subject.split(' ')[1]!),
        })
      }
    }
  }
  return violations
}

/** A worker that loses what it has sent was frozen, cut off or ended meanwhile, or no longer knew what it had. */
function robbed(evidence: Evidence): Violation[] {
  const { steps, answers, calls, stage } = evidence
  const violations: Violation[] = []
  const callOf = new Map(calls.map((call) => [call.requestId, call]))
  const requests = Map.groupBy(answers.values(), ({ itemId }) => itemId)
  for (const { itemId, from, to, at, reason } of [...steps.values()].flat()) {
    if (from !== 'made_request' || (reason !== 'unknown_outcome' && reason !== 'worker_lost')) continue
    const request = requests
      .get(itemId)
      ?.filter(({ sentAt }) => sentAt <= at)
      .toSorted((a, b) => b.sentAt - a.sentAt)[0]
    const call = callOf.get(request?.requestId ?? '')
    if (!request || !call) continue // it had not left: nobody knows whose it was
    const worker = workerOf(call)
    const slot = stage.parts.slots.find(({ number }) => number === worker)!
    const excused =
      stage.parts.isolations.some(
        (one) => one.worker === worker && one.from <= at && one.to + LEASE_SECONDS * 1000 >= request.sentAt,
      ) ||
      // a worker that stops cleanly ends after that
      slot.ends.some((ended) => ended >= request.sentAt && ended <= at + 5000) ||
      slot.brokenOff().has(itemId)
    if (!excused)
      violations.push({
        rule: 'living',
        what:
          `item ${itemId}: ${from} -> ${to} (${reason}) at ${clock(at)}, ` +
          `and worker ${worker}, which had sent request ${request.requestId}, was there`,
        story: storyOfItems(evidence, [itemId]),
      })
  }
  return violations
}

const WRITTEN_WITHIN_MS = 20_000

/** A worker that was cut off from PostgreSQL when the answer came still had it, and survived. */
function forgotten(evidence: Evidence): Violation[] {
  const { calls, answers, stage } = evidence
  const violations: Violation[] = []
  for (const call of calls) {
    const answer = answers.get(call.requestId)
    if (!answer || answer.outcome !== null || answer.callbacks.length > 0) continue
    const { headers, httpStatus, trouble, answeredAt } = call
    if (headers.flow !== 'synchronous' || httpStatus !== 200 || trouble !== null || answeredAt === null) continue
    const [from, to] = [Date.parse(call.receivedAt), Date.parse(answeredAt)]
    if (to - from > stage.parts.shopTimeoutMs - 500) continue // it may have given up
    const worker = workerOf(call)
    const slot = stage.parts.slots.find(({ number }) => number === worker)!
    const excused =
      // by then it would have written it
      slot.ends.some((ended) => ended >= from && ended <= to + WRITTEN_WITHIN_MS) ||
      slot.brokenOff().has(answer.itemId) ||
      // a call that ends while its worker is frozen may have timed out, and a thawing worker checks that first
      stage.parts.isolations.some(
        (one) => one.worker === worker && one.why !== 'cut off' && one.from <= to + 1000 && one.to >= from,
      )
    if (!excused)
      violations.push({
        rule: 'known',
        what:
          `worker ${worker} was answered request ${call.requestId} of item ${answer.itemId} at ${clock(to)}, ` +
          'and nothing says so',
        story: storyOfItems(evidence, [answer.itemId]),
      })
  }
  return violations
}

/** What a call is about, by our ids, which its item has. */
function subjectsOf({ answers, items }: Evidence, call: ReceivedCall): string[] {
  if (isCreate(call))
    return (call.call.params.productsInfo ?? []).map(({ id_catalog_product }) => `product ${id_catalog_product}`)
  const item = items.get(answers.get(call.requestId)?.itemId ?? '')
  if (!item) return []
  return [item.productId === null ? `set ${item.setId}` : `product ${item.productId}`]
}

function gaps(evidence: Evidence): Violation[] {
  const violations: Violation[] = []
  for (const item of evidence.items.values()) {
    const faults = historyFaults(item, evidence.steps.get(item.id) ?? [])
    if (faults.length > 0)
      violations.push({
        rule: 'history',
        what: `item ${item.id}: ${faults.join('; ')}`,
        story: storyOfItems(evidence, [item.id]),
      })
  }
  for (const itemId of evidence.steps.keys())
    if (!evidence.items.has(itemId))
      violations.push({
        rule: 'history',
        what: `item ${itemId} has a history and is nowhere`,
        story: storyOfItems(evidence, [itemId]),
      })
  return violations
}

async function miscounted({ parts: { sql } }: Stage): Promise<Violation[]> {
  const faults = [
    ...(await countFaults(sql)),
    ...(await laneFaults(sql)),
    ...(await runFaults(sql)),
    ...(await feedbackFaults(sql)),
  ]
  return faults.map((what): Violation => ({ rule: 'counters', what, story: [] }))
}

function undone(evidence: Evidence): Violation[] {
  const { stage, srcIds } = evidence
  return [...srcIds].flatMap(([id, srcId]): Violation[] => {
    const repaired = stage.done.repaired.get(id)
    if (repaired === undefined || repaired === null || repaired === srcId) return []
    return [
      {
        rule: 'repaired',
        what: `product ${id} was given the id ${repaired} by an admin, and has ${srcId}`,
        story: storyOf(evidence, id),
      },
    ]
  })
}

function storiesOfMoving(evidence: Evidence): Violation[] {
  return [...evidence.items.values()]
    .filter(({ lane }) => lane !== null && lane !== 'blocked')
    .slice(0, 5)
    .map((item) => ({
      rule: 'rest',
      what: `item ${item.id} (${item.topic}) is ${item.status}`,
      story: storyOfItems(evidence, [item.id]),
    }))
}

const storyOf = (evidence: Evidence, productId: string) =>
  storyOfItems(
    evidence,
    [...evidence.items.values()]
      .filter((item) => item.productId === productId || createdBy(evidence, item.id, productId))
      .map(({ id }) => id),
    `product ${productId}`,
  )

const createdBy = ({ calls, answers }: Evidence, itemId: string, productId: string) =>
  calls.some(
    (call) =>
      isCreate(call) &&
      answers.get(call.requestId)?.itemId === itemId &&
      call.call.params.productsInfo?.some(({ id_catalog_product }) => String(id_catalog_product) === productId),
  )

const storyOfSet = (evidence: Evidence, setId: string) =>
  storyOfItems(
    evidence,
    [...evidence.items.values()].filter((item) => item.setId === setId && item.productId === null).map(({ id }) => id),
  )

const clock = (at: number) => new Date(at).toISOString().slice(11, 23)

/** Statuses, calls and their effects in order of time. */
function storyOfItems(
  { items, steps, calls, answers, stage }: Evidence,
  ids: readonly string[],
  about?: string,
): string[] {
  const wanted = new Set(ids)
  const lines: { at: number; line: string }[] = []
  for (const id of ids) {
    const { topic } = items.get(id) ?? {}
    for (const { at, from, to, reason, actor } of steps.get(id) ?? [])
      lines.push({
        at,
        line: `item ${id} ${topic}: ${from} -> ${to}${reason ? ` (${reason})` : ''}${actor ? ` by ${actor}` : ''}`,
      })
  }
  for (const call of calls) {
    const answer = answers.get(call.requestId)
    if (!answer || !wanted.has(answer.itemId)) continue
    const at = Date.parse(call.receivedAt)
    const [info] = call.call.params.productsInfo ?? []
    const { price, quantity, description, product_id, status } = info ?? {}
    lines.push({
      at,
      line:
        `item ${answer.itemId} request ${call.requestId} of worker ${workerOf(call)}, ${call.headers.flow}: ` +
        JSON.stringify({ product_id, price, quantity, description, status }),
    })
    if (call.processedAt !== null)
      lines.push({ at: Date.parse(call.processedAt), line: `request ${call.requestId} took effect as #${call.order}` })
    if (call.endedAt !== null)
      lines.push({
        at: Date.parse(call.endedAt),
        line:
          `request ${call.requestId} ended: HTTP ${call.httpStatus}, trouble ${call.trouble}, ` +
          `${call.callbackTrouble}; recorded as ${answer.outcome}, callbacks ${answer.callbacks.join(' ') || 'none'}`,
      })
  }
  for (const { worker, why, from, to } of stage.parts.isolations)
    lines.push({
      at: from,
      line: `(worker ${worker} ${why} until ${to === Number.POSITIVE_INFINITY ? '' : clock(to)})`,
    })
  const told = lines.toSorted((a, b) => a.at - b.at).map(({ at, line }) => `${clock(at)} ${line}`)
  return about === undefined ? told : [`story of ${about}:`, ...told]
}

export { RULES }
