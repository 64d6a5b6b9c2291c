import { hiddenBy } from './hidden.ts'
import { type HoldingItem, holderName } from './holder.ts'
import { AWAIT_CREATE, type ReasonCode } from './reasons.ts'
import { STATUSES, type Status } from './statuses.ts'
import { creates, TOPICS, type Topic } from './topics.ts'
import type { WhoActs } from './who-acts.ts'

/** How it stands with a product, in the order of what a person on the telephone asks. */
export const VERDICTS = [
  'up_to_date',
  'on_its_way',
  'failing',
  'undecided',
  'being_created',
  'not_created',
  'in_quality_control',
  'rejected',
  'hidden',
] as const
export type VerdictCode = (typeof VERDICTS)[number]

export const VERDICT_LABELS: Record<VerdictCode, string> = {
  up_to_date: 'In the Shop, up to date',
  on_its_way: 'In the Shop, changes on their way',
  failing: 'Fails',
  undecided: 'Waits for an admin',
  being_created: 'Not in the Shop yet, being created',
  not_created: 'Not in the Shop, nothing creates it',
  in_quality_control: 'Not in the Shop, in quality control',
  rejected: 'Not in the Shop, rejected in quality control',
  hidden: 'Not shown in the Shop',
}

/** A change of the product, or of its whole set, that is in the queue. */
export interface OpenItem<Time = Date> {
  id: string
  topic: Topic
  status: Status
  reason: ReasonCode | null
  message: string | null
  failures: number
  statusAt: Time
  nextAttemptAt: Time | null
  /** The Delayed or Failed item of the same set and topic that goes first. */
  heldBy: HoldingItem<Time> | null
}

export interface ProductFacts<Time = Date> {
  sellerActive: boolean
  active: boolean
  qcStatus: 'pending' | 'approved' | 'rejected'
  /** The Shop has given ids to it and to its set. */
  inShop: boolean
  /** When the Shop last took a change of it. */
  syncedAt: Time | null
  /** The oldest first. */
  items: readonly OpenItem<Time>[]
}

export interface ProductVerdict<Time = Date> {
  code: VerdictCode
  /** One or two sentences for an admin, without times; it may quote the Shop. */
  text: string
  whoActs: WhoActs
  /** Since when it has been so. */
  since: Time | null
  /** When it goes on by itself, where that is planned. */
  next: Time | null
  /** The item that keeps it from being up to date; the one to look at first. */
  itemId: string | null
  /** The item that goes first, where the one to look at waits for its turn. */
  heldBy: HoldingItem<Time> | null
}

/**
 * Worse than the others first: what stands still until a person acts, what fails and is tried again (also while it is),
 * what waits for a create, what waits for its turn, and the rest. `sql/views/product_state.sql` has the same order.
 */
function urgency(item: OpenItem): number {
  const { status, reason, failures, nextAttemptAt } = item
  if (status === 'blocked') return awaitsCreate(reason) ? 2 : 0
  if (reason === 'stock_wait') return 6
  if (status === 'failed' || status === 'delayed') return nextAttemptAt === null ? 0 : 1
  if (status === 'got_acknowledgment') return 5
  if (failures > 0) return 1
  return isHeld(item) ? 3 : 4
}

const awaitsCreate = (reason: ReasonCode | null): boolean => (AWAIT_CREATE as readonly unknown[]).includes(reason)

/** Who acts on an item that is Delayed or Failed. Images are never requeued (decision 12), but can be saved again. */
const whoMends = ({ topic, status, nextAttemptAt }: OpenItem<unknown>): WhoActs =>
  nextAttemptAt !== null ? (status === 'failed' ? 'sre' : 'nobody') : topic === 'images' ? 'seller' : 'admin'

/** Why a product is, or is not, in the Shop as the catalogue has it. */
export function productVerdict(facts: ProductFacts): ProductVerdict {
  const { heldBy = null, ...verdict } = facts.inShop ? inShop(facts) : notInShop(facts)
  return { ...verdict, heldBy }
}

type Verdict = Omit<ProductVerdict, 'heldBy'> & { heldBy?: HoldingItem }

function notInShop(facts: ProductFacts): Verdict {
  const create = first(facts.items.filter(({ topic }) => creates(topic)))
  if (create) return beingCreated(create)
  const waiting = facts.items[0] ?? null
  const rest = { since: null, next: null, itemId: waiting?.id ?? null }
  if (!facts.sellerActive || !facts.active)
    return {
      code: 'hidden',
      text: `Not in the Shop: ${hiddenBy(facts)!.why}, so nothing creates it.`,
      whoActs: 'seller',
      ...rest,
    }
  switch (facts.qcStatus) {
    case 'rejected':
      return {
        code: 'rejected',
        text: 'Not in the Shop: rejected in quality control. It is created once it is corrected and approved.',
        whoActs: 'seller',
        ...rest,
      }
    case 'pending':
      return {
        code: 'in_quality_control',
        text: 'Not in the Shop: it waits for quality control, and is created once it is approved.',
        whoActs: 'nobody',
        ...rest,
      }
    case 'approved':
      return {
        code: 'not_created',
        text: 'Not in the Shop: nobody has queued its creation.',
        whoActs: 'admin',
        ...rest,
      }
  }
}

function beingCreated(create: OpenItem): Verdict {
  const { id, status, failures, statusAt, nextAttemptAt } = create
  const about = { since: statusAt, next: nextAttemptAt, itemId: id }
  if (isHeld(create))
    return {
      code: 'being_created',
      text: `Not in the Shop yet: its creation ${held(create.heldBy)}.`,
      ...heldVerdict(create.heldBy, about),
    }
  switch (status) {
    case 'failed':
    case 'delayed':
      return {
        code: 'failing',
        text: `Not in the Shop: its creation has failed ${times(failures)}${quoted(create)}.`,
        whoActs: whoMends(create),
        ...about,
      }
    case 'blocked':
      return awaitsCreate(create.reason)
        ? {
            code: 'being_created',
            text: 'Not in the Shop yet: its creation waits for another one of its set.',
            whoActs: 'nobody',
            ...about,
          }
        : { code: 'undecided', text: `Not in the Shop: ${DECIDE} its creation.`, whoActs: 'admin', ...about }
    case 'got_acknowledgment':
      return {
        code: 'being_created',
        text: 'Not in the Shop yet: the Shop has confirmed that it has its creation, and has not answered yet.',
        whoActs: 'shop',
        ...about,
      }
    default:
      return {
        code: 'being_created',
        text: 'Not in the Shop yet: its creation is on its way.',
        whoActs: 'nobody',
        ...about,
      }
  }
}

function inShop(facts: ProductFacts): Verdict {
  const { items, syncedAt } = facts
  const hidden = hiddenBy(facts)
  const where = hidden === null ? 'In the Shop' : `In the Shop, but not shown: ${hidden.why}`
  const joint = hidden === null ? ', ' : '. '
  const worst = first(items)
  if (!worst)
    return hidden === null
      ? {
          code: 'up_to_date',
          text: `${where}, up to date.`,
          whoActs: 'nobody',
          since: syncedAt,
          next: null,
          itemId: null,
        }
      : {
          code: 'hidden',
          text: `${where}. What the Shop has of it is up to date.`,
          whoActs: hidden.whoActs,
          since: syncedAt,
          next: null,
          itemId: null,
        }
  const about = { since: worst.statusAt, next: worst.nextAttemptAt, itemId: worst.id }
  const n = items.length
  const changes = n === 1 ? '1 change' : `${n} changes`
  const some = (m: number) => (m === n ? changes : `${m} of ${n} changes`)
  const say = (text: string) => (hidden === null ? text : text.charAt(0).toUpperCase() + text.slice(1))
  if (isHeld(worst))
    return {
      code: worst.heldBy.status === 'failed' ? 'failing' : 'on_its_way',
      text:
        `${where}${joint}${say(`${changes} of it ${n === 1 ? 'is' : 'are'} not there`)}: ` +
        `${TOPICS[worst.topic].label} ${held(worst.heldBy)}.`,
      ...heldVerdict(worst.heldBy, about),
    }
  switch (worst.status) {
    case 'failed':
    case 'delayed':
      if (worst.reason === 'stock_wait') break
      return {
        code: 'failing',
        text:
          `${where}${joint}${say(`${changes} of it ${n === 1 ? 'is' : 'are'} not there`)}: ` +
          `${TOPICS[worst.topic].label} has failed ${times(worst.failures)}${quoted(worst)}.`,
        whoActs: whoMends(worst),
        ...about,
      }
    case 'blocked': {
      const m = items.filter(({ status }) => status === 'blocked').length
      return awaitsCreate(worst.reason)
        ? {
            code: 'on_its_way',
            text:
              `${where}${joint}${say(some(m))} ${m === 1 ? 'waits' : 'wait'} until the Shop has created what belongs ` +
              `to ${m === 1 ? 'it' : 'them'}.`,
            whoActs: 'nobody',
            ...about,
          }
        : {
            code: 'undecided',
            text: `${where}${joint}${say(DECIDE)} its change of ${TOPICS[worst.topic].label}.`,
            whoActs: 'admin',
            ...about,
          }
    }
    case 'got_acknowledgment': {
      const m = items.filter(({ status }) => status === 'got_acknowledgment').length
      return {
        code: 'on_its_way',
        text:
          `${where}${joint}${say(some(m))} with the Shop: it has confirmed ${m === 1 ? 'it' : 'them'}, and has not ` +
          'answered yet.',
        whoActs: 'shop',
        ...about,
      }
    }
  }
  return {
    code: 'on_its_way',
    text: `${where}${joint}${say(changes)} on ${n === 1 ? 'its' : 'their'} way.`,
    whoActs: 'nobody',
    ...about,
  }
}

/** The one to be looked at first. */
export const first = (items: readonly OpenItem[]): OpenItem | undefined =>
  items.toSorted((a, b) => urgency(a) - urgency(b))[0]

type Held = OpenItem & { heldBy: HoldingItem }
/** It waits for its turn; its own retry would not be its turn either. */
const isHeld = (item: OpenItem): item is Held => item.heldBy !== null && item.status === 'pending'

const held = (holder: HoldingItem): string => `waits until ${holderName(holder)} is through`

const heldVerdict = (holder: HoldingItem, about: Pick<Verdict, 'since' | 'itemId'>) => ({
  ...about,
  whoActs: holder.status === 'failed' ? ('sre' as const) : ('nobody' as const),
  next: holder.nextAttemptAt,
  heldBy: holder,
})

const DECIDE = 'an admin has to decide about'
const times = (n: number): string => (n === 1 ? 'once' : `${n} times`)
const QUOTE_LENGTH = 200
const quoted = ({ message }: OpenItem): string =>
  message === null || message === ''
    ? ''
    : `: “${message.length > QUOTE_LENGTH ? `${message.slice(0, QUOTE_LENGTH)}…` : message.replace(/[.\s]+$/, '')}”`

const STEP: Record<WhoActs, string> = {
  nobody: 'There is nothing you need to do.',
  seller: 'Please look at it in Seller Center.',
  admin: 'An admin looks into it; there is nothing you need to do.',
  shop: 'The Shop has to answer now; there is nothing you need to do.',
  sre: 'Our operations team is looking into it; there is nothing you need to do.',
}

const named = (title: string | null, sellerSku: string) => `“${title ?? sellerSku}” (seller SKU ${sellerSku}): `

/** What a seller is told of a verdict that no item explains better. */
export const verdictToSeller = (
  title: string | null,
  sellerSku: string,
  { text, whoActs }: Pick<ProductVerdict, 'text' | 'whoActs'>,
): { text: string; whoActs: WhoActs } => ({ text: `${named(title, sellerSku)}${text} ${STEP[whoActs]}`, whoActs })

/** The same while it changes. */
export const justChanged = (title: string | null, sellerSku: string): { text: string; whoActs: WhoActs } => ({
  text: `${named(title, sellerSku)}it has just changed. ${STEP.nobody}`,
  whoActs: 'nobody',
})

/**
 * How it stands with a product, as its own page in Seller Center can show it (decision 29). The view
 * `shop_update.product_state` says which of them it is.
 */
export const PRODUCT_STATES = ['in_shop', 'on_its_way', 'waiting', 'requires_action', 'not_sent'] as const
export type ProductState = (typeof PRODUCT_STATES)[number]

const STATES: Record<ProductState, string> = {
  in_shop: 'it is in the Shop',
  on_its_way: 'it has a change that is on its way to the Shop',
  waiting: 'it has a change that waits, and goes on by itself',
  requires_action: 'it does not go on by itself',
  not_sent: 'it is not in the Shop, and nothing of it is on its way',
}

/** What a seller is told of a state that was published, and is already another one. */
export const stateToSeller = (
  title: string | null,
  sellerSku: string | null,
  state: ProductState,
  whoActs: WhoActs,
): { text: string; whoActs: WhoActs } => ({
  text: `${named(title, sellerSku ?? '')}${STATES[state]}. ${STEP[whoActs]}`,
  whoActs,
})

export const productDeletedToSeller: { text: string; whoActs: WhoActs } = {
  text: `The product has been deleted in Seller Center. ${STEP.nobody}`,
  whoActs: 'nobody',
}

/** How a topic of a product stands: a cell of the grid. */
export const CELLS = ['up_to_date', 'waiting', 'with_shop', 'delayed', 'failed', 'blocked', 'never_sent'] as const
export type Cell = (typeof CELLS)[number]
export const CELL_LABELS: Record<Cell, string> = {
  up_to_date: 'Up to date',
  waiting: 'Waiting',
  with_shop: 'With the Shop',
  delayed: STATUSES.delayed.label,
  failed: STATUSES.failed.label,
  blocked: STATUSES.blocked.label,
  never_sent: 'Not sent yet',
}

/**
 * @param status of its item in the queue, null if there is none
 * @param there whether the Shop has what the topic is about: it was Synced, or is part of what was created
 */
export function cellOf(status: Status | null, there: boolean): Cell {
  switch (status) {
    case null:
      return there ? 'up_to_date' : 'never_sent'
    case 'delayed':
    case 'failed':
    case 'blocked':
      return status
    case 'got_acknowledgment':
    case 'made_request':
      return 'with_shop'
    default:
      return 'waiting'
  }
}
