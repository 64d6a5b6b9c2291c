import type { Hidden } from './hidden.ts'
import { type HoldingItem, isOverdue } from './holder.ts'
import type { Incident, KeepsWaiting } from './incident.ts'
import { type NoCreate, type ReasonCode, SECOND_ID } from './reasons.ts'
import { retriesLeft } from './retry.ts'
import { type Flow, STATUSES, type Status } from './statuses.ts'
import { TOPICS, type Topic } from './topics.ts'
import type { WhoActs } from './who-acts.ts'

export type { WhoActs }

/**
 * Everything that "An answer for the seller" is made from. It deliberately omits who requeued an item: that does not
 * concern the seller.
 */
export interface ItemFacts {
  topic: Topic
  status: Status
  /**
   * `message` is quoted to the seller only if it is the Shop's own. Our message about a conflict names another seller's
   * product and is for admins.
   */
  reason: { code: ReasonCode; message: string | null } | null
  productTitle: string
  /** Null for an item about a whole product set. */
  sellerSku: string | null
  shopSku: string | null
  queuedAt: Date
  /** Since when it has this status; for Delayed and Failed, the time of the last failure. */
  statusAt: Date
  lastSentAt: Date | null
  /** The flow of its last call. */
  flow: Flow | null
  /** Failures in this retry cycle. */
  failures: number
  /** How many requests have left for it in total. */
  sends: number
  maxRetries: number
  failedAfter: number
  nextAttemptAt: Date | null
  /** The item that it waits for while Blocked as not_in_shop or new_variation. */
  blockedBy: { itemId: string; topic: Topic; status: Status } | null
  /** Why nothing will create its product, if nothing will. */
  noCreate: NoCreate | null
  /**
   * While it waits, or will once its own time comes: the Delayed or Failed item of the same product set and topic that
   * goes first.
   */
  heldBy: HoldingItem | null
  /** Place in the order of its product set; 1 is the next to be sent. */
  positionInSet: number | null
  /** For a Synced item: a later change of the same data that is still in the queue. */
  newer: { itemId: string; status: Status } | null
  /** The first of those that keep it from being sent. */
  incident: (Pick<Incident, 'since' | 'nextAt' | 'pause'> & { kind: KeepsWaiting }) | null
  /** Since when calls of the Shop have been refused, lately and while items wait for some. */
  refusedSince: Date | null
  /** No callback comes any more although answers are due; `since`: the last one, null: unknown. */
  callbacksStopped: { since: Date | null } | null
  /** When all that waits is sent at the present pace; null: within seconds, or nobody knows. */
  expectedAt: Date | null
  /** Within so many seconds of its acknowledgment the Shop answers 95 % of the topic; null: nobody knows. */
  usualSeconds: number | null
  /** Why customers cannot buy the product although the Shop has it; null if they can. */
  hidden: Hidden | null
}

export interface SellerAnswer {
  /** The sentences as one text, for the copy button. */
  text: string
  whoActs: WhoActs
  sentences: string[]
}

/**
 * Seconds after which a transient status has lasted too long and SREs look into it. Pending may take milliseconds and
 * Processing "a few seconds" (docs/requirements.md, "Statuses"); Made request may last as long as the Shop's time-out.
 * Statuses that may last are absent.
 */
export const LONG_AFTER_SECONDS: Partial<Record<Status, number>> = {
  pending: 30,
  processing: 30,
  building_payload: 30,
  made_request: 120,
  got_response: 30,
  building_response_payload: 30,
  response_processing: 30,
}

/**
 * "An answer for the seller": what happened, what happens next and when, and who has to act, in two or three plain
 * sentences. Source: docs/requirements.md, "What it is for".
 *
 * @param now the reference for "in 27 minutes" and "3 hours ago"
 * @param zone of the times, by its IANA name: the venture's
 */
export function sellerAnswer(item: ItemFacts, now: Date, zone = 'UTC'): SellerAnswer {
  const clock = { now, zone }
  const { whoActs, sentences } = (LEFT[item.reason?.code ?? ''] ?? ANSWERS[item.status])(item, clock)
  return { text: sentences.join(' '), whoActs, sentences }
}

/**
 * A duration in everyday words: its two largest units, rounded to what matters at that length (seconds below a minute,
 * minutes below a day, hours beyond).
 * @param seconds a negative number counts as none
 * @example durationInWords(26_040) // '7 hours 14 minutes'
 */
export function durationInWords(seconds: number): string {
  if (seconds < 0.5) return 'less than a second'
  if (seconds < 59.5) return count(Math.round(seconds), 'second')
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return count(minutes, 'minute')
  if (minutes < 1440) return twoUnits(minutes, 60, 'hour', 'minute')
  return twoUnits(Math.round(seconds / 3600), 24, 'day', 'hour')
}

type Answer = Omit<SellerAnswer, 'text'>

interface Clock {
  now: Date
  zone: string
}

const NOTHING_TO_DO = 'There is nothing you need to do.'

const ANSWERS: Record<Status, (item: ItemFacts, clock: Clock) => Answer> = {
  pending(item, clock) {
    const what = `${subject(item)} ${howItCameToWait(item, clock)}.`
    if (item.incident) return hindered(item.incident, [what], clock)
    if (item.heldBy) return heldUp([what], item, item.heldBy, clock)
    if (item.expectedAt === null) return watched(item, clock, [what, turn(item)])
    const expected = `At the present pace everything that waits is sent by ${when(item.expectedAt, clock)}.`
    return { whoActs: 'nobody', sentences: [what, turn(item), expected, NOTHING_TO_DO] }
  },

  processing: beingPrepared,
  building_payload: beingPrepared,

  made_request(item, clock) {
    const sentAt = when(item.lastSentAt ?? item.statusAt, clock)
    const sent = `${subject(item)} was handed to the Shop on ${sentAt}${asRetry(item)}.`
    if (isLong(item, clock)) return watched(item, clock, [sent])
    const expected =
      item.flow === 'asynchronous'
        ? `The Shop confirms first that it has received it; ${
            item.usualSeconds === null || item.refusedSince !== null || item.callbacksStopped !== null
              ? 'its final answer can come hours or even days later'
              : `after that it ${answersWithin(item.topic, item.usualSeconds)}`
          }.`
        : "The Shop's answer is expected within seconds."
    return { whoActs: 'shop', sentences: [sent, expected, NOTHING_TO_DO] }
  },

  got_acknowledgment(item, clock) {
    // Images are never requeued (decision 12), so the answer must not promise an admin's help.
    const ifNot = item.topic === 'images' ? '' : ', and if no answer comes, an admin can have the change sent again'
    const confirmed =
      `The Shop confirmed on ${when(item.statusAt, clock)} that it has received ${lowerFirst(subject(item))} and ` +
      'put it into its own queue.'
    if (item.refusedSince !== null) {
      return needsAdmin(
        confirmed,
        `Since ${when(item.refusedSince, clock)} calls of the Shop have been turned away on our side; its answer may ` +
          'have been among them.',
        'An admin has to let the Shop in again',
      )
    }
    if (item.callbacksStopped !== null) {
      const { since } = item.callbacksStopped
      return {
        whoActs: 'sre',
        sentences: [
          confirmed,
          `${since === null ? 'At the moment' : `Since ${when(since, clock)}`} no answer of the Shop reaches us, to ` +
            'any change, although some are due; nothing is lost.',
          'Our operations team is looking into it with the Shop; there is nothing you need to do.',
        ],
      }
    }
    return {
      whoActs: 'shop',
      sentences: [
        confirmed,
        whenAnswered(item, clock),
        `The Shop has to answer now${ifNot}; there is nothing you need to do.`,
      ],
    }
  },

  got_response: answerBeingRead,
  building_response_payload: answerBeingRead,
  response_processing: (item, clock) =>
    watched(item, clock, [
      `${subject(item)} has been accepted by the Shop, and the result is being noted in Seller Center right now.`,
    ]),

  synced(item, clock) {
    if (item.newer) return overtaken(item, item.newer, clock)
    const what =
      item.reason?.code === 'nothing_to_send'
        ? `${subject(item)} was finished on ${when(item.statusAt, clock)}: the Shop already had everything, so ` +
          'nothing had to be sent.'
        : `${subject(item)} was synced with the Shop on ${when(item.statusAt, clock)}.`
    const sku = item.shopSku === null ? [] : [`The Shop SKU is ${item.shopSku}.`]
    if (item.hidden !== null) {
      const { why, until, whoActs } = item.hidden
      return {
        whoActs,
        sentences: [what, ...sku, `Customers cannot buy the product at the moment, though: ${why}.`, until],
      }
    }
    return { whoActs: 'nobody', sentences: [what, ...sku, NOTHING_TO_DO] }
  },

  delayed: (item, clock) => (item.reason?.code === 'stock_wait' ? stockWait(item, clock) : failures(item, clock)),
  failed: failures,

  blocked(item, clock) {
    switch (item.reason?.code) {
      case 'not_in_shop':
        return waitsForCreate(item, 'because the product has not been created in the Shop yet', clock)
      case 'new_variation':
        return waitsForCreate(
          item,
          'because another variation of the product is still being created in the Shop',
          clock,
        )
      case 'unprocessable_response':
        return needsAdmin(
          `${subject(item)} was answered by the Shop on ${when(item.statusAt, clock)}, but the answer could not be ` +
            'processed.',
          'The answer is kept, and nothing is sent again by itself.',
          'An admin decides whether the change is sent again',
        )
      case 'src_id_conflict':
        if (item.reason.message?.includes(SECOND_ID)) {
          return needsAdmin(
            `${subject(item)} was answered by the Shop with a second ID: it has the product under another one already.`,
            'The product keeps the one that it had.',
            'An admin has to have the second one removed by the Shop',
          )
        }
        return needsAdmin(
          `The Shop answered ${lowerFirst(subject(item))} with an ID that already belongs to another product.`,
          'Neither of the two products has been overwritten.',
          'An admin has to sort this out with the Shop',
        )
      case 'unknown_outcome':
        return needsAdmin(
          `${subject(item)} was handed to the Shop on ${when(item.lastSentAt ?? item.statusAt, clock)}, but we lost ` +
            'track of it before the answer came.',
          'The Shop may have created the product already, so it is not sent again by itself: that could create it ' +
            'twice.',
          "It goes on when the Shop's answer arrives or an admin decides",
        )
      default:
        return needsAdmin(
          `${subject(item)} was blocked on ${when(item.statusAt, clock)}.`,
          'It is saved, but not sent by itself.',
          'An admin has to look at it',
        )
    }
  },
}

/** For as long as it is not answered. */
function whenAnswered({ topic, statusAt, usualSeconds }: ItemFacts, clock: Clock): string {
  const safe = 'nothing is lost and nothing is sent twice'
  if (usualSeconds === null) return `Its final answer can come hours or even days later; until then ${safe}.`
  const usual = `The Shop ${answersWithin(topic, usualSeconds)}`
  return secondsBetween(statusAt, clock.now) > roundedUp(usualSeconds)
    ? `${usual}, so this one takes longer than usual; its answer can still come, and until then ${safe}.`
    : `${usual}; until it has answered ${safe}.`
}

/**
 * What is usual for a topic, of the Shop.
 *
 * @example answersWithin('price', 201) // 'answers 95 % of price changes within 4 minutes'
 */
export const answersWithin = (topic: Topic, usualSeconds: number): string =>
  `answers 95 % of ${KINDS[topic]} within ${durationInWords(roundedUp(usualSeconds))}`

/** So that it stays true: to ten seconds, minutes from one on, quarters from an hour on, hours from a day on. */
function roundedUp(seconds: number): number {
  const step = seconds <= 60 ? 10 : seconds <= 3600 ? 60 : seconds <= 86_400 ? 900 : 3600
  return Math.max(Math.ceil(seconds / step), 1) * step
}

function beingPrepared(item: ItemFacts, clock: Clock): Answer {
  return watched(item, clock, [`${subject(item)} is being prepared for the Shop right now${asRetry(item)}.`])
}

function answerBeingRead(item: ItemFacts, clock: Clock): Answer {
  return watched(item, clock, [
    `The Shop has answered ${lowerFirst(subject(item))}, and the answer is being processed right now.`,
  ])
}

/** Transient statuses: nobody acts unless one lasts. */
function watched(item: ItemFacts, clock: Clock, sentences: string[]): Answer {
  if (!isLong(item, clock)) return { whoActs: 'nobody', sentences: [...sentences, NOTHING_TO_DO] }
  const waited = durationInWords(secondsBetween(item.statusAt, clock.now))
  return {
    whoActs: 'sre',
    sentences: [
      ...sentences,
      `It has been like this for ${waited}, which is longer than usual; our operations team is looking into it, ` +
        'and there is nothing you need to do.',
    ],
  }
}

function howItCameToWait(item: ItemFacts, clock: Clock): string {
  switch (item.reason?.code) {
    case 'requeued':
      return `was queued again on ${when(item.statusAt, clock)} and is sent with its current data`
    case 'coalesced':
      return `was changed again on ${when(item.statusAt, clock)}; the newest data is sent in one go`
    case 'newer_change':
      return `was changed again before the Shop answered on ${when(item.statusAt, clock)}; the newest data is sent now`
    case 'released':
      return `has been ready to send since ${when(item.statusAt, clock)}: what it waited for is in the Shop now`
    case 'worker_lost':
    case 'worker_stopped':
      return `was interrupted on our side on ${when(item.statusAt, clock)} and is queued again; nothing is lost`
    case 'shop_busy':
      return (
        `could not be sent on ${when(item.statusAt, clock)}, because the Shop has more to do than it can take at the ` +
        'moment; it keeps its turn, and that does not count as a failure'
      )
    case 'shop_away':
      return (
        `could not be sent on ${when(item.statusAt, clock)}, because the Shop cannot be reached at the moment; it ` +
        'keeps its turn, and that does not count as a failure'
      )
    default:
      return `was queued on ${when(item.queuedAt, clock)}`
  }
}

/** Not stuck, however long it takes: an earlier change goes first (decision 7). */
function heldUp(what: string[], { status, sellerSku }: ItemFacts, holder: HoldingItem, clock: Clock): Answer {
  const ofWhat =
    TOPICS[holder.topic].subject === 'product_set'
      ? 'its whole product set'
      : holder.sellerSku === sellerSku
        ? 'the same product'
        : `another variation${holder.sellerSku === null ? '' : ` (seller SKU ${holder.sellerSku})`}`
  const turn =
    `It is sent after an earlier change of ${ofWhat}, item ${holder.id} (${TOPICS[holder.topic].label}, status ` +
    `${STATUSES[holder.status].label}), which is tried again automatically ${next(holder.nextAttemptAt, clock)}.`
  return status === 'failed' || holder.status === 'failed' || isOverdue(holder.nextAttemptAt, clock.now)
    ? {
        whoActs: 'sre',
        sentences: [...what, turn, 'Our operations team is looking into it; there is nothing you need to do.'],
      }
    : { whoActs: 'nobody', sentences: [...what, turn, NOTHING_TO_DO] }
}

/** Its time has come, or comes while it cannot be sent. */
function keepsWaiting(
  item: ItemFacts,
  clock: Clock,
): item is ItemFacts & { incident: NonNullable<ItemFacts['incident']> } {
  const { incident, nextAttemptAt } = item
  if (incident === null || nextAttemptAt === null) return false
  const over = incident.kind === 'paused' ? (incident.pause?.endsItself ? incident.nextAt : null) : clock.now
  return over === null || nextAttemptAt <= over
}

/** What keeps everything, or all of a kind, from being sent comes first. */
function hindered(incident: NonNullable<ItemFacts['incident']>, what: string[], clock: Clock): Answer {
  const { kind, since, nextAt, pause } = incident
  const begun = since === null ? 'At the moment' : `Since ${when(since, clock)}`
  const isLate = kind === 'paused' && nextAt !== null && nextAt <= clock.now
  const paused = pause?.topic
    ? `the sending of ${TOPICS[pause.topic].label} changes is paused`
    : pause?.sellerId
      ? 'the sending of your changes is paused'
      : 'sending to the Shop is paused'
  const until =
    nextAt === null
      ? ''
      : isLate
        ? `, for longer than planned (until ${dated(nextAt, clock)})`
        : `${pause?.endsItself ? '' : ', as planned'} until ${when(nextAt, clock)}`
  const first = {
    no_worker: `${begun} nothing is sent, because of a fault on our side; nothing is lost.`,
    shop_away: `${begun} the Shop cannot be reached, so nothing is sent; nothing is lost.`,
    shop_busy: `${begun} the Shop has more to do than it can take, so changes are sent more slowly; nothing is lost.`,
    paused: `${begun} ${paused}${until}; nothing is lost.`,
  }[kind]
  const then = {
    no_worker: 'It is sent by itself as soon as the fault is mended',
    shop_away: 'It is sent by itself when the Shop can be reached again',
    shop_busy: 'It is sent in its turn',
    paused: 'It is sent by itself afterwards',
  }[kind]
  return kind === 'no_worker' || kind === 'shop_away' || isLate
    ? {
        whoActs: 'sre',
        sentences: [
          first,
          ...what,
          `${then}; our operations team is looking into it, and there is nothing you need to do.`,
        ],
      }
    : { whoActs: 'nobody', sentences: [first, ...what, `${then}; there is nothing you need to do.`] }
}

function turn({ positionInSet }: ItemFacts): string {
  if (positionInSet === null) return 'It is sent as soon as its turn comes.'
  if (positionInSet <= 1) return 'It is the next change of its product set to be sent.'
  return positionInSet === 2
    ? 'One other change of the same product set is sent before it.'
    : `${positionInSet - 1} other changes of the same product set are sent before it.`
}

function stockWait(item: ItemFacts, clock: Clock): Answer {
  if (item.nextAttemptAt === null) return failures(item, clock)
  const queued = `${subject(item)} was queued on ${when(item.queuedAt, clock)}.`
  if (keepsWaiting(item, clock)) return hindered(item.incident, [queued], clock)
  if (item.heldBy) return heldUp([queued], item, item.heldBy, clock)
  const wait = durationInWords(secondsBetween(item.queuedAt, item.nextAttemptAt))
  return {
    whoActs: isOverdue(item.nextAttemptAt, clock.now) ? 'sre' : 'nobody',
    sentences: [
      `${subject(item)} was queued on ${when(item.queuedAt, clock)} and waits on purpose: a stock change is sent ` +
        `${wait} after it was queued, so that orders are processed first.`,
      `It is sent ${next(item.nextAttemptAt, clock)}.`,
      isOverdue(item.nextAttemptAt, clock.now) ? LATE : NOTHING_TO_DO,
    ],
  }
}

/** Delayed and Failed after failures, with retries left or used up. */
function failures(item: ItemFacts, clock: Clock): Answer {
  const attempts = item.failures === 1 ? 'one attempt has failed' : `${item.failures} attempts have failed`
  const failed =
    item.status === 'failed'
      ? `could not be synced: ${attempts}, and from the ${ordinal(item.failedAfter)} on we count it as failed`
      : `could not be synced yet: ${attempts}`
  const what = `${subject(item)} ${failed}.`
  const last = `${item.failures === 1 ? 'It' : 'The last one'} failed on ${when(item.statusAt, clock)}${cause(item)}.`

  if (keepsWaiting(item, clock)) return hindered(item.incident, [what, last], clock)
  if (item.heldBy) return heldUp([what, last], item, item.heldBy, clock)
  if (item.nextAttemptAt === null) {
    const over =
      retriesLeft(item.failures, item.maxRetries) === 0
        ? `All ${item.maxRetries} automatic retries are used up`
        : 'No further automatic retry is planned'
    // Images cannot be requeued (decision 12), but queueing the change again starts a fresh retry cycle (decision 8).
    return item.topic === 'images'
      ? {
          whoActs: 'seller',
          sentences: [what, last, `${over}: please save the images again in Seller Center, which sends them anew.`],
        }
      : {
          whoActs: 'admin',
          sentences: [what, last, `${over}: an admin has to have it sent again; there is nothing you need to do.`],
        }
  }

  const retry =
    `It is tried again automatically ${next(item.nextAttemptAt, clock)}, as retry ${item.failures} of ` +
    `${item.maxRetries}`
  if (item.status === 'failed' || isOverdue(item.nextAttemptAt, clock.now)) {
    return {
      whoActs: 'sre',
      sentences: [what, last, `${retry}; our operations team is looking into it, and there is nothing you need to do.`],
    }
  }
  return { whoActs: 'nobody', sentences: [what, last, `${retry}; there is nothing you need to do.`] }
}

/** Blocked until its product or a variation is created; that create releases it at once (decision 5 a, b). */
function waitsForCreate(item: ItemFacts, because: string, clock: Clock): Answer {
  if (item.noCreate === 'product_deleted') {
    return {
      whoActs: 'nobody',
      sentences: [`${subject(item)} is not sent, because ${gone(item)}.`, NOTHING_TO_DO],
    }
  }
  if (item.noCreate === 'sent_next') {
    const saved = `${subject(item)} is saved but not sent yet.`
    if (item.incident) return hindered(item.incident, [saved], clock)
    const waited =
      item.reason?.code === 'not_in_shop'
        ? 'What it had to wait for is in the Shop now'
        : 'Nothing keeps it waiting any more'
    return { whoActs: 'nobody', sentences: [saved, `${waited}, and it is sent in its turn.`, NOTHING_TO_DO] }
  }
  const what = `${subject(item)} is saved but not sent yet, ${because}.`
  const blocker = item.blockedBy
  if (blocker === null) return nothingCreatesIt(what, item.noCreate)
  const waitsFor =
    `It waits for item ${blocker.itemId} (${TOPICS[blocker.topic].label}, status ${STATUSES[blocker.status].label}) ` +
    'and is sent at once when that is synced.'
  switch (blocker.status) {
    case 'failed':
    case 'blocked':
      return needsAdmin(what, waitsFor, 'An admin has to look at that item first')
    case 'got_acknowledgment':
      return {
        whoActs: 'shop',
        sentences: [what, waitsFor, 'The Shop has to answer that one first; there is nothing you need to do.'],
      }
    default:
      return { whoActs: 'nobody', sentences: [what, waitsFor, NOTHING_TO_DO] }
  }
}

function nothingCreatesIt(what: string, noCreate: Exclude<NoCreate, 'product_deleted' | 'sent_next'> | null): Answer {
  switch (noCreate) {
    case 'qc_pending':
      return {
        whoActs: 'nobody',
        sentences: [what, 'It is created there once it is approved in quality control.', NOTHING_TO_DO],
      }
    case 'qc_rejected':
      return {
        whoActs: 'seller',
        sentences: [
          what,
          'It has been rejected in quality control.',
          'Please correct it in Seller Center; it is created there once it is approved.',
        ],
      }
    case null:
      return needsAdmin(what, 'Nothing in the queue creates it at the moment.', 'An admin has to queue its creation')
  }
}

/** The Shop has an earlier state: a reader of "synced" would expect the latest. */
function overtaken(item: ItemFacts, { itemId, status }: NonNullable<ItemFacts['newer']>, clock: Clock): Answer {
  const whoActs: keyof typeof NEWER_STEP =
    status === 'failed' ? 'sre' : status === 'blocked' ? 'admin' : status === 'got_acknowledgment' ? 'shop' : 'nobody'
  return {
    whoActs,
    sentences: [
      `${subject(item)} was accepted by the Shop on ${when(item.statusAt, clock)}, but has been overtaken: the same ` +
        'data was changed again.',
      `The newer change, item ${itemId}, is not in the Shop yet; its status is ${STATUSES[status].label}.`,
      NEWER_STEP[whoActs],
    ],
  }
}

const NEWER_STEP = {
  sre: 'Our operations team is looking into it; there is nothing you need to do.',
  admin: 'An admin has to look at that one; there is nothing you need to do.',
  shop: 'The Shop has to answer that one; there is nothing you need to do.',
  nobody: NOTHING_TO_DO,
} as const

function discarded(item: ItemFacts, clock: Clock): Answer {
  return {
    whoActs: 'seller',
    sentences: [
      `${subject(item)} was taken out of the queue on ${when(item.statusAt, clock)} and is not sent any more.`,
      'If you still want it, please save it again in Seller Center; it is then queued anew.',
    ],
  }
}

/** The last product of a set may as well have been moved to another one, or none may have come yet. */
const gone = ({ topic }: ItemFacts): string =>
  TOPICS[topic].subject === 'product'
    ? 'its product has been deleted in Seller Center'
    : 'its product set has no product in Seller Center'

function productDeleted(item: ItemFacts, clock: Clock): Answer {
  const left = `${subject(item)} left the queue on ${when(item.statusAt, clock)}, because ${gone(item)}.`
  return { whoActs: 'nobody', sentences: [left, 'There is nothing left to send.', NOTHING_TO_DO] }
}

/** An item that left the queue without being synced, whatever its status was. */
const LEFT: Record<string, (item: ItemFacts, clock: Clock) => Answer> = { discarded, product_deleted: productDeleted }

const needsAdmin = (what: string, state: string, step: string): Answer => ({
  whoActs: 'admin',
  sentences: [what, state, `${step}; there is nothing you need to do.`],
})

const LATE = 'That is later than planned; our operations team is looking into it, and there is nothing you need to do.'

const CHANGES: Record<Topic, string> = {
  content: 'The content change for',
  images: 'The image change for',
  new_product_set: 'The new product',
  price: 'The price change for',
  stock: 'The stock change for',
  status: 'The status change for',
  consignment_stock: 'The consignment stock change for',
  qc_status: 'The QC status change for',
  new_product: 'The new variation',
}

const KINDS: Record<Topic, string> = {
  content: 'content changes',
  images: 'image changes',
  new_product_set: 'new products',
  price: 'price changes',
  stock: 'stock changes',
  status: 'status changes',
  consignment_stock: 'consignment stock changes',
  qc_status: 'QC status changes',
  new_product: 'new variations',
}

const subject = ({ topic, productTitle, sellerSku }: ItemFacts): string =>
  `${CHANGES[topic]} “${productTitle}”${sellerSku === null ? '' : ` (seller SKU ${sellerSku})`}`

const asRetry = ({ failures, maxRetries }: ItemFacts): string =>
  failures === 0 ? '' : `, as retry ${failures} of ${maxRetries}`

/** The longest quote of a Shop message: some Shops answer with a whole page. */
const QUOTE_LENGTH = 200

/** Technical messages and what they mean to a seller. If a message matches two, the first applies. */
const CAUSES: readonly [RegExp, string][] = [
  [/^(exception|[A-Z]\w*Error)\b/i, 'it could not be processed on our side'],
  [/\btime[d-]? ?out\b|ETIMEDOUT/i, 'the Shop did not answer in time'],
  [
    /\b(ECONN\w+|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE|UND_ERR\w*)\b|^network/i,
    'the Shop could not be reached',
  ],
  [/socket hang up|fetch failed/i, 'the Shop could not be reached'],
  [/\bHTTP\b/i, 'the Shop answered with an error'],
]

/**
 * What went wrong, without what only engineers understand. A message that is not technical is the Shop's own and worth
 * quoting: often it names what the seller can correct.
 */
function cause({ reason, sends }: ItemFacts): string {
  if (sends === 0) return ': it could not be prepared on our side'
  const message = reason?.message?.trim().replace(/[.\s]+$/, '')
  if (!message) return ''
  const known = CAUSES.find(([pattern]) => pattern.test(message))
  if (known) return `: ${known[1]}`
  return `: the Shop said “${message.length > QUOTE_LENGTH ? `${message.slice(0, QUOTE_LENGTH)}…` : message}”`
}

const isLong = (item: ItemFacts, clock: Clock): boolean =>
  secondsBetween(item.statusAt, clock.now) > (LONG_AFTER_SECONDS[item.status] ?? Number.POSITIVE_INFINITY)

const next = (at: Date, clock: Clock): string =>
  at > clock.now ? `on ${when(at, clock)}` : `any moment now (it was planned for ${dated(at, clock)})`

/** Both absolute and relative: the first survives being copied into a mail, the second is what people ask for. */
function when(at: Date, clock: Clock): string {
  const seconds = secondsBetween(at, clock.now)
  if (Math.abs(seconds) < 0.5) return `${dated(at, clock)} (just now)`
  return `${dated(at, clock)} (${seconds > 0 ? `${durationInWords(seconds)} ago` : `in ${durationInWords(-seconds)}`})`
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** To the minute, in the venture's zone, which is named: `24 Nov 2026, 15:15 Singapore time`. */
function dated(at: Date, { zone }: Clock): string {
  const { year, month, day, hour, minute } = Object.fromEntries(
    formatOf(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  ) as Record<string, string>
  // Etc/GMT+8 is eight hours behind
  const isPlace = zone.includes('/') && !zone.startsWith('Etc/')
  const name = isPlace ? `${zone.split('/').at(-1)!.replaceAll('_', ' ')} time` : zone
  return `${Number(day)} ${MONTHS[Number(month) - 1]} ${year}, ${hour}:${minute} ${name}`
}

const formats = new Map<string, Intl.DateTimeFormat>()
/** Numbers alone: names and order of a locale differ between runtimes, and sellers get a copy of it. */
function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone)
  if (!format) {
    const two = '2-digit'
    const numbers = { year: 'numeric', month: two, day: two, hour: two, minute: two } as const
    format = new Intl.DateTimeFormat('en-GB', { timeZone, hourCycle: 'h23', ...numbers })
    formats.set(timeZone, format)
  }
  return format
}

const secondsBetween = (from: Date, to: Date): number => (to.getTime() - from.getTime()) / 1000

const count = (n: number, unit: string): string => `${n} ${unit}${n === 1 ? '' : 's'}`

function twoUnits(n: number, size: number, large: string, small: string): string {
  const rest = n % size
  return count(Math.floor(n / size), large) + (rest === 0 ? '' : ` ${count(rest, small)}`)
}

const ORDINALS = new Intl.PluralRules('en', { type: 'ordinal' })
const SUFFIXES: Record<string, string> = { one: 'st', two: 'nd', few: 'rd' }
const ordinal = (n: number): string => `${n}${SUFFIXES[ORDINALS.select(n)] ?? 'th'}`

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
