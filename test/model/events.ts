import fc from 'fast-check'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'
import { DUTIES, type Duty } from './rig.ts'
import { ANSWERS, CALLBACKS, type HowAnswered, type HowCalledBack, type ShopCall } from './shop.ts'
import { WORKERS, type World } from './world.ts'

/**
 * Something that happens.
 *
 * @returns what, in words; null if it cannot happen now
 */
export type Event = (world: World) => Promise<string | null>

/** Which of the existing ones: the number wraps around, so that each selects something. */
const which = fc.constantFrom(0, 0, 0, 1, 1, 2, 3)
const worker = fc.nat({ max: WORKERS - 1 })
const statements = fc.nat({ max: 5 })

const pick = <Each>(from: readonly Each[], place: number): Each | undefined => from[place % from.length]

/** One of the calls, newest first: most depends on what has just left. */
const callAt = (calls: readonly ShopCall[], place: number) => pick(calls.toReversed(), place)

const event = <Drawn extends unknown[]>(
  weight: number,
  drawn: { [Place in keyof Drawn]: fc.Arbitrary<Drawn[Place]> },
  act: (world: World, ...drawn: Drawn) => Promise<string | null>,
) => ({
  weight,
  arbitrary: fc.tuple<Drawn>(...drawn).map(
    (values): Event =>
      (world) =>
        act(world, ...values),
  ),
})

/** A running worker; one that has ended is restarted first. */
async function running(world: World, place: number) {
  await world.replaceDead()
  const chosen = world.workers[place]!
  return chosen.gate.state === 'open' ? chosen : null
}

/** Some more often than others: changes must meet. */
const topic = fc.constantFrom(
  ...TOPIC_NAMES,
  'price' as const,
  'price' as const,
  'content' as const,
  'new_product_set' as const,
)
const product = fc.constantFrom(0, 0, 0, 1, 2, 2, 3)

const CALM = [
  event(20, [topic, product], (world, topic, place) => world.change(topic, place)),

  event(6, [worker, fc.integer({ min: 1, max: 3 })], async (world, place, most) => {
    const by = await running(world, place)
    if (!by) return null
    const before = by.claimed.length
    await by.claim(most)
    return `${by.name} claims ${by.claimed.length - before} of at most ${most}`
  }),

  event(4, [worker, which], async (world, place, item) => {
    const by = await running(world, place)
    if (!by || by.claimed.length === 0) return null
    const at = item % by.claimed.length
    const said = `${by.name} goes on with ${world.nameOfItem(by.claimed[at]!.item.id)}`
    await by.work(at)
    return said
  }),

  event(24, [worker], async (world, place) => {
    const by = await running(world, place)
    if (!by) return null
    await by.claim(10)
    const said = `${by.name} claims all that it may, and goes on with ${by.claimed.length}`
    await by.work()
    return said
  }),

  event(24, [which, fc.constantFrom(...(Object.keys(ANSWERS) as HowAnswered[]))], async (world, place, how) => {
    const call = callAt(
      world.calls.filter(({ isAnswered }) => !isAnswered),
      place,
    )
    if (!call) return null
    await world.answer(call, how)
    return `the Shop answers ${world.nameOfCall(call)} with ${ANSWERS[how]}`
  }),

  event(
    10,
    [which, fc.constantFrom(...(Object.keys(CALLBACKS) as HowCalledBack[])), fc.boolean(), worker],
    async (world, place, how, atOnce, by) => {
      const call = callAt(world.calls, place)
      if (!call) return null
      await world.callBack(call, how)
      const applying = atOnce ? await running(world, by) : null
      await applying?.applyCallbacks()
      const said = `the Shop calls back for ${world.nameOfCall(call)} with ${CALLBACKS[how]}`
      return applying ? `${said}, and ${applying.name} applies it` : said
    },
  ),

  event(4, [worker], async (world, place) => {
    const by = await running(world, place)
    await by?.applyCallbacks()
    return by && `${by.name} applies the callbacks`
  }),

  event(6, [], async (world) => {
    const woken = await world.rig.becomeDue()
    return woken === 0 ? null : `time passes: ${woken} are due`
  }),

  event(4, [which], async (world, place) => {
    const item = pick(
      world.queue.filter(
        ({ lane, reason }) =>
          lane === 'awaiting' || lane === 'blocked' || ((lane === 'delayed' || lane === 'behind') && reason !== null),
      ),
      place,
    )
    return item && (await world.rig.requeue(item.id)) > 0 ? `an admin requeues ${world.nameOfItem(item.id)}` : null
  }),

  event(3, [which, fc.constantFrom('resend' as const, 'discard' as const)], async (world, place, action) => {
    const item = pick(
      world.queue.filter(({ lane }) => lane === 'blocked'),
      place,
    )
    return item ? world.resolve(item, action) : null
  }),

  event(4, [worker, fc.constantFrom(...(Object.keys(DUTIES) as Duty[]))], async (world, place, duty) => {
    const by = await running(world, place)
    await by?.do(duty)
    return by && `${by.name}, who leads, ${DUTIES[duty]}`
  }),

  event(2, [product], async (world, place) => world.remove(place)),

  event(2, [product], async (world, place) => world.move(place)),

  event(2, [], async (world) => {
    world.rig.flow = world.rig.flow === 'synchronous' ? 'asynchronous' : 'synchronous'
    return `the flow is ${world.rig.flow} from now on`
  }),
]

const DISTURBING = [
  event(3, [worker, statements], async (world, place, after) => {
    const of = await running(world, place)
    if (!of) return null
    of.freeze(after)
    world.isDisturbed = true
    return `${of.name} freezes${soon(after)}`
  }),

  event(4, [worker, fc.boolean()], async (world, place, beatsFirst) => {
    const of = world.workers[place]!
    if (of.gate.state !== 'frozen') return null
    await of.thaw(beatsFirst)
    return `${of.name} goes on, and ${beatsFirst ? 'its heartbeat' : 'what it had asked'} is answered first`
  }),

  event(2, [worker, statements], async (world, place, after) => {
    const of = await running(world, place)
    if (!of) return null
    of.kill(after)
    world.isDisturbed = true
    return `${of.name} is killed${soon(after)}`
  }),

  event(4, [worker], async (world, place) => {
    const by = await running(world, place)
    if (!by) return null
    await world.leasePasses()
    await by.takeOver()
    return `a lease passes, and ${by.name} takes up what is left`
  }),

  event(8, [worker, fc.nat({ max: 2 })], async (world, place, further) => {
    const of = await running(world, place)
    const by = await running(world, (place + 1) % WORKERS)
    if (!of || !by) return null
    of.freeze(0)
    world.isDisturbed = true
    await world.leasePasses()
    await by.takeOver()
    const said = `${of.name} freezes, a lease passes, and ${by.name} takes up what is left`
    if (further === 0) return said
    await by.claim(10)
    await by.work()
    if (further === 1) return `${said} and all else that it may`
    await of.thaw()
    return `${said} and all else that it may; then ${of.name} goes on`
  }),
]

const soon = (after: number): string =>
  after === 0 ? '' : ` when it has sent ${after} more statements, unheard the last`

const listOf = (events: readonly (typeof CALM)[number][]) =>
  fc.array(fc.oneof(...events), { maxLength: 60, size: 'max' })

/** Half of all runs are undisturbed: anything that only the leader would find is a fault there. */
export const anyEvents = fc.noBias(fc.oneof(listOf(CALM), listOf([...CALM, ...DISTURBING])))
