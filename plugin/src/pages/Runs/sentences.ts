import type { Entry, Run } from '../../../../worker/api/internal/schemas.ts'
import { readStatusFilter, STATUSES, TAB_LABELS, type Tab } from '../../../../worker/domain/statuses.ts'
import { TOPICS, type Topic } from '../../../../worker/domain/topics.ts'
import { counted } from '../../components/counted.ts'

export const KIND_LABELS: Record<Run['kind'], string> = {
  requeue: 'Requeue',
  creations: 'Creations',
  discard: 'Discard',
  send: 'Sending',
}

/** What the record calls its actions, in the order of the filter. */
export const ACTION_LABELS: Record<string, string> = {
  requeue: 'Requeue',
  creations: 'Creations',
  requeue_stopped: 'Requeue stopped',
  creations_stopped: 'Creations stopped',
  discard: 'Discard',
  discard_stopped: 'Discard stopped',
  send: 'Sending',
  send_stopped: 'Sending stopped',
  requeue_begun: 'Requeue that broke off',
  resolve: 'Decision about a Blocked item',
  enqueue: 'Change queued by hand',
  pause: 'Pause',
  pause_ended: 'Pause ended',
  flow: 'Flow',
  credential: 'Callback Server',
}

const DECISIONS: Record<string, string> = {
  resend: 'sent again',
  discard: 'discarded',
  adopt: "settled with the Shop's ids",
}

type Detail = Entry['detail']

const numberIn = (detail: Detail, name: string): number => (typeof detail[name] === 'number' ? detail[name] : 0)
const textIn = (detail: Detail, name: string): string | undefined =>
  typeof detail[name] === 'string' || typeof detail[name] === 'number' ? String(detail[name]) : undefined

/**
 * What an action was about, as its target says.
 *
 * @param cause the text of the cause in its filter; null: it is not known any more
 */
export function targetOf(detail: Detail, cause: string | null = textIn(detail, 'cause') ?? null): string {
  if (detail.filter === undefined && detail.items !== undefined) return counted(numberIn(detail, 'items'), 'item')
  if (detail.filter === undefined && detail.sets !== undefined) return counted(numberIn(detail, 'sets'), 'product set')
  if (detail.products !== undefined) return counted(numberIn(detail, 'products'), 'product')
  const { tab, ...others } = (detail.filter ?? {}) as Record<string, unknown>
  const list = tab === undefined ? '' : ` in ${TAB_LABELS[tab as Tab] ?? tab}`
  const filter = Object.entries(others)
  const matching =
    filter.length === 0 ? '' : ` with ${filter.map(([name, value]) => inWords(name, value, cause)).join(', ')}`
  return `all items${list}${matching}`
}

function inWords(name: string, value: unknown, cause: string | null): string {
  if (name === 'cause') return `the cause ${cause ? `“${cause}”` : value}`
  const read = name === 'status' ? readStatusFilter(String(value)) : ''
  if (typeof read === 'string') return `${name} ${value}`
  const labels = read.names.map((each) => STATUSES[each].label)
  return read.allBut ? `any status but ${labels.join(' and ')}` : `status ${labels.join(' or ')}`
}

/** The labels of the topics that were sent. */
export const topicsOf = ({ topics }: Detail): string =>
  Array.isArray(topics) ? topics.map((topic: Topic) => TOPICS[topic]?.label ?? topic).join(', ') : ''

/** What was done, in a sentence. */
export function sentenceOf({ action, detail }: Entry): string {
  switch (action) {
    case 'requeue':
    case 'requeue_stopped':
      return (
        `${targetOf(detail)}: ${counted(numberIn(detail, 'requeued'), 'item')} requeued, ` +
        `${numberIn(detail, 'skipped').toLocaleString('en')} left alone`
      )
    case 'requeue_begun':
      return targetOf(detail)
    case 'discard':
    case 'discard_stopped':
      return (
        `${targetOf(detail)}: ${counted(numberIn(detail, 'discarded'), 'item')} discarded, ` +
        `${numberIn(detail, 'skipped').toLocaleString('en')} left alone`
      )
    case 'send':
    case 'send_stopped':
      return (
        `${topicsOf(detail)} of ${targetOf(detail)}: ${counted(numberIn(detail, 'sent'), 'change')} queued, ` +
        `${numberIn(detail, 'skipped').toLocaleString('en')} left alone`
      )
    case 'creations':
    case 'creations_stopped':
      // an entry of an earlier release names its sets
      return detail.run === undefined
        ? `Of ${targetOf(detail)}`
        : `${targetOf(detail)}: ${counted(numberIn(detail, 'queued'), 'creation')} queued, for which ` +
            `${counted(numberIn(detail, 'waiting'), 'item')} wait`
    case 'resolve':
      return `Item ${textIn(detail, 'itemId')} ${DECISIONS[String(detail.action)] ?? detail.action}`
    case 'enqueue': {
      const topic = textIn(detail, 'topic') as Topic
      const what = detail.productId ? `product ${detail.productId}` : `product set ${detail.productSetId}`
      return `${TOPICS[topic]?.label ?? topic} of ${what}`
    }
    case 'pause':
    case 'pause_ended':
      return detail.topic
        ? (TOPICS[detail.topic as Topic]?.label ?? String(detail.topic))
        : detail.sellerId
          ? `Seller ${detail.sellerId}`
          : 'Everything'
    case 'flow':
      return `${textIn(detail, 'from') ?? 'none'} → ${textIn(detail, 'to')}`
    default:
      return Object.keys(detail).join(', ')
  }
}

export const reasonOf = ({ detail }: Entry): string => textIn(detail, 'reason') ?? ''
