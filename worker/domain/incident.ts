import { TOPICS, type Topic } from './topics.ts'

/** What can be wrong with the whole, or much of it, in the order of what matters most to who reads it. */
export const INCIDENT_KINDS = [
  'no_worker',
  'shop_away',
  'shop_busy',
  'paused',
  'callbacks_refused',
  'callbacks_stopped',
  'replica_behind',
] as const
export type IncidentKind = (typeof INCIDENT_KINDS)[number]
/** Those that keep items from being sent. */
export type KeepsWaiting = Exclude<IncidentKind, (typeof KEEPS_NOTHING)[number]>
const KEEPS_NOTHING = ['callbacks_refused', 'callbacks_stopped', 'replica_behind'] as const

/**
 * Why a client at the Shop's listener was refused: its key was valid, but its address is not on the white list; the
 * other way round; or neither was right.
 */
export const REFUSED_FOR = ['address', 'key', 'both'] as const
export type RefusedFor = (typeof REFUSED_FOR)[number]

/** Something that concerns more than one item, for as long as it lasts. */
export interface Incident<Time = Date> {
  kind: IncidentKind
  /** Tells incidents of a kind apart: the id of a pause; else empty. */
  key: string
  /** Null: nobody knows. */
  since: Time | null
  /** How many items wait for its end; null: it keeps none. */
  waiting: number | null
  /** When it goes on: the next probe, the end of the wait that the Shop asked for, or of the pause; null: unknown. */
  nextAt: Time | null
  /** Of `shop_away`: why the last call failed. */
  error: string | null
  /** Of `shop_busy`: calls a second of all workers. */
  perSecond: number | null
  /** Of `callbacks_refused`: the addresses refused lately, those with a valid key first. */
  refused: { remote: string; cause: RefusedFor; n: number }[] | null
  /** Of `paused`. */
  pause: {
    topic: Topic | null
    sellerId: string | null
    sellerName: string | null
    endsItself: boolean
    reason: string
  } | null
}

type Facts = Pick<Incident<unknown>, 'kind' | 'waiting' | 'error' | 'perSecond' | 'refused' | 'pause'>

/** Source: decisions 21 and 26. */
export const INCIDENT_LABELS: Record<IncidentKind, string> = {
  no_worker: 'No worker is moving the queue',
  shop_away: 'The Shop cannot be reached',
  shop_busy: 'The Shop says "wait"',
  paused: 'Sending is paused',
  callbacks_refused: 'Callbacks are refused',
  callbacks_stopped: 'The Shop has stopped calling back',
  replica_behind: 'The replica that these pages read is behind',
}

/** What is wrong, in a few words. */
export function incidentTitle({ kind, pause }: Facts): string {
  const of = pause?.topic
    ? TOPICS[pause.topic].label
    : (pause?.sellerName ?? (pause?.sellerId && `seller ${pause.sellerId}`))
  return of ? `${INCIDENT_LABELS[kind]} for ${of}` : INCIDENT_LABELS[kind]
}

/** What that means and what happens next, without times. */
export function incidentMeaning({ kind, waiting, error, perSecond, refused, pause }: Facts): string {
  const wait =
    waiting === null || waiting === 0
      ? ''
      : waiting === 1
        ? '1 item waits. '
        : `${waiting.toLocaleString('en')} items wait. `
  switch (kind) {
    case 'no_worker':
      return `${wait}Nothing is lost: changes are still queued, and are sent as soon as a worker runs again.`
    case 'shop_away':
      return (
        `${wait}Nothing is lost; but for the first few, no item counts this as a failure. Each worker tries one call ` +
        `now and then, and sends everything once the Shop answers.${error === null ? '' : ` Last error: ${error}`}`
      )
    case 'shop_busy':
      return (
        `${wait}Nothing is lost, and no item counts this as a failure. All workers have slowed down (to about ` +
        `${Math.max(1, Math.round(perSecond ?? 1)).toLocaleString('en')} a second), and speed up as the Shop allows.`
      )
    case 'paused':
      return (
        `${wait}Callbacks of the Shop are taken, and nothing counts as a failure. ` +
        `${pause?.endsItself ? 'The pause ends by itself at the planned end.' : 'An admin has to end the pause.'}` +
        `${pause ? ` Reason: ${pause.reason}` : ''}`
      )
    case 'callbacks_refused':
      return (
        `${(waiting ?? 0).toLocaleString('en')} acknowledged item${waiting === 1 ? ' has' : 's have'} had no ` +
        'callback. ' +
        `${(refused ?? []).map(inWords).join(' ')} Once it is let in, the Shop has to call again.`
      )
    case 'callbacks_stopped':
      return (
        `${(waiting ?? 0).toLocaleString('en')} acknowledged items have waited for their answer for longer than is ` +
        'usual, and no callback comes any more: either the Shop does not call, or its calls do not reach us. Nothing ' +
        'is lost, and nothing is sent again by itself.'
      )
    case 'replica_behind':
      return 'What has changed since then is not shown yet.'
  }
}

const WRONG: Record<RefusedFor, string> = {
  address: 'the key was right, but the address is not on the white list',
  key: 'the address is on the white list, but the key was wrong or missing',
  both: 'neither is the address on the white list nor was there a valid key',
}
const inWords = ({ remote, cause, n }: { remote: string; cause: RefusedFor; n: number }): string =>
  `Calls from ${remote} were refused ${n === 1 ? 'once' : `${n.toLocaleString('en')} times`}: ${WRONG[cause]}.`

/** Whether it keeps items of this seller and topic from being sent; what has left for the Shop goes on. */
const concerns = (
  incident: Incident,
  { sellerId, topic }: { sellerId: string; topic: Topic },
): incident is Incident & { kind: KeepsWaiting } => {
  const { kind, pause } = incident
  return kind === 'paused'
    ? (pause?.topic ?? topic) === topic && (pause?.sellerId ?? sellerId) === sellerId
    : !(KEEPS_NOTHING as readonly IncidentKind[]).includes(kind)
}

/**
 * What an item of this seller and topic waits for, if anything: of pauses the one that ends last, and a pause before
 * what would slow it down or stop it without one.
 */
export function obstacleOf(incidents: readonly Incident[], item: { sellerId: string; topic: Topic }) {
  const those = incidents.filter((incident) => concerns(incident, item))
  const endOf = ({ nextAt, pause }: Incident) =>
    pause?.endsItself ? (nextAt?.getTime() ?? 0) : Number.POSITIVE_INFINITY
  const pauses = those.filter(({ kind }) => kind === 'paused').toSorted((a, b) => endOf(b) - endOf(a))
  return those.find(({ kind }) => kind === 'no_worker') ?? pauses[0] ?? those[0] ?? null
}

/** Shorter waits need no forecast. */
const FORECAST_FROM_SECONDS = 30

/**
 * When all that waits is sent at the present pace; null: within seconds, or nothing is sent, or a part of it is paused.
 */
export function expectedAt(
  { pending, perSecond, incidents }: { pending: number; perSecond: number; incidents: readonly Incident[] },
  now: Date,
): Date | null {
  if (incidents.some(({ kind }) => kind === 'paused')) return null
  const seconds = perSecond > 0 ? pending / perSecond : 0
  return seconds < FORECAST_FROM_SECONDS ? null : new Date(now.getTime() + seconds * 1000)
}
