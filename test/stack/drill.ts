import assert from 'node:assert/strict'
import { setInterval as every } from 'node:timers/promises'
import { alertRules } from '../../provisioning/alerts/rules.ts'
import { type RuleState, ruleStates } from './alerts.ts'
import { asker } from './ask.ts'
import { shopUpdate } from './drive.ts'
import type { Stack } from './parts.ts'
import { interruption, type Report, say, until } from './report.ts'

/**
 * All times of the rules are shorter by this factor (provisioning/alerts/promql.ts): half an hour becomes two minutes.
 * The rules are the same.
 */
export const DRILL_PACE = 15

/** The worker's settings in a drill: its own times must fit those of the rules. */
export const DRILL_SETTINGS = {
  SHOP_TIMEOUT_MS: '2000',
  LEASE_SECONDS: '4',
  OTEL_METRIC_EXPORT_INTERVAL: '500',
} as const

const RULES = new Map(alertRules(DRILL_PACE).map((rule) => [rule.uid as string, rule]))
const titleOf = (uid: string) => RULES.get(uid)!.title
/** Export, evaluation (at least ten seconds, and `for` needs a second one), and the machine's own delays. */
const SLACK_S = 60
const PRODUCTS = 30

interface Trouble {
  what: string
  /** Makes it real; resolves with a function that undoes it. */
  make(): Promise<() => Promise<unknown>>
  /** Its alerts: within how many seconds each must fire and, afterwards, be over. */
  fires: Record<string, { within: number; overWithin: number }>
}

/**
 * Makes each stuck status real, and demands that its alert fires in time, that nothing else pages, and that the alert
 * is over afterwards. Meanwhile changes are queued and answered as on any day.
 */
export async function drill(report: Report, stack: Stack): Promise<void> {
  const { api, enqueue, switchFlow, troubles, addSet, untilStatus } = shopUpdate(stack.app)
  const { freeze, thaw } = stack.app
  const { metrics } = asker(stack)
  const well = { default: { latencyMs: 20, callbackDelayMs: 300 } }

  await troubles(well)
  await switchFlow('synchronous')
  const products: string[] = []
  for (let n = 0; n < PRODUCTS; n++) {
    const { set, product } = await addSet(`SKU-DRILL-${n}`)
    await untilStatus(await enqueue('new_product_set', { set }), 'synced')
    products.push(product)
  }
  await switchFlow('asynchronous')

  const over = new AbortController()
  const seen = new Map<string, RuleState['state']>()
  const woken = new Set<string>()
  const began = Date.now()
  const running = [
    forever(over.signal, 1000, async (n) => void (await enqueue('price', { product: products[n % PRODUCTS]! }))),
    forever(over.signal, 1000, async () => {
      for (const { uid, state } of await ruleStates(stack)) {
        if (state !== seen.get(uid) && uid !== 'shop-update-watchdog')
          say(`  ${Math.round((Date.now() - began) / 1000)} s: ${uid} ${state}`)
        seen.set(uid, state)
        if (state === 'firing' && RULES.get(uid)!.severity === 'page') woken.add(uid)
      }
    }),
  ]
  const is = (uid: string, states: RuleState['state'][], withinSeconds: number) =>
    until(Date.now() + withinSeconds * 1000, async () => {
      const state = seen.get(uid) ?? 'inactive'
      assert.ok(states.includes(state), `${uid} is ${state} after ${withinSeconds} s`)
    })

  async function meet({ what, make, fires }: Trouble): Promise<void> {
    await report.check(`Drill: ${what}`, ['grafana', 'prometheus', 'otelcol'], async () => {
      woken.clear()
      const began = Date.now()
      const seconds = () => Math.round((Date.now() - began) / 1000)
      const told: string[] = []
      const pages = Object.keys(fires).filter((uid) => RULES.get(uid)!.severity === 'page')
      const undo = await make()
      try {
        for (const [uid, { within }] of Object.entries(fires)) {
          await is(uid, ['firing'], within - seconds())
          told.push(`${uid} after ${seconds()} s`)
        }
        for (const uid of pages)
          await until(Date.now() + SLACK_S * 1000, async () => {
            const called = stack.pager.received.pager.some(({ title }) => title === `page: ${titleOf(uid)}`)
            assert.ok(called, `${uid} has not come to the pager`)
          })
      } finally {
        await undo()
      }
      const undone = Date.now()
      for (const [uid, { overWithin }] of Object.entries(fires)) {
        await is(uid, ['inactive'], overWithin)
        told.push(`${uid} over after ${Math.round((Date.now() - undone) / 1000)} s`)
      }
      assert.deepEqual([...woken].toSorted(), pages.toSorted(), 'somebody was woken for something else')
      return told.join(', ')
    })
  }

  try {
    // Before the worker's first numbers came, nothing was known of it.
    await until(Date.now() + SLACK_S * 1000, async () => {
      for (const [uid, { severity }] of RULES) if (severity === 'page') assert.equal(seen.get(uid), 'inactive', uid)
    })
    await meet({
      what: 'a create fails for good, and a change of its product waits for it',
      async make() {
        await troubles({ ...well, topics: { new_product_set: { http500: 100 } } })
        const { set, product } = await addSet('SKU-NEVER')
        const create = await enqueue('new_product_set', { set })
        await enqueue('price', { product })
        await untilStatus(create, 'failed')
        return async () => {
          await troubles(well)
          await api('/api/requeue', 'POST', { itemIds: [create], reason: 'The Shop is well again' })
        }
      },
      fires: {
        'shop-update-failed': { within: inTime('shop-update-failed'), overWithin: overInTime('shop-update-failed') },
        'shop-update-stranded': {
          within: inTime('shop-update-stranded'),
          overWithin: overInTime('shop-update-stranded'),
        },
      },
    })
    await meet({
      what: 'the Shop hangs',
      async make() {
        await troubles({ default: { hangBefore: 100 } })
        return () => troubles(well)
      },
      fires: {
        // The circuit opens after five calls that time out; its probes leave at most 30 s apart, in a drill too.
        'shop-update-shop-unreachable': {
          within: inTime('shop-update-shop-unreachable') + 20,
          overWithin: overInTime('shop-update-shop-unreachable') + 35,
        },
      },
    })
    await meet({
      what: 'the only worker is frozen',
      async make() {
        await freeze()
        return thaw
      },
      fires: { 'shop-update-workers-silent': { within: inTime('shop-update-workers-silent'), overWithin: SLACK_S } },
    })
    // They must have been steady for two hours before they can stop.
    const history = 7200 / DRILL_PACE
    await until(Date.now() + history * 1000, async () => {
      const before = await metrics(`shop_update_callbacks_total{outcome="accepted"} offset ${history}s`)
      assert.ok(before.length > 0, `There have been no callbacks for ${history} s`)
    })
    await meet({
      what: 'the callbacks stop',
      async make() {
        await troubles({ default: { ...well.default, noCallback: 100 } })
        return () => troubles(well)
      },
      fires: {
        'shop-update-callbacks-stopped': {
          within: 1800 / DRILL_PACE + inTime('shop-update-callbacks-stopped'),
          overWithin: overInTime('shop-update-callbacks-stopped'),
        },
      },
    })
  } finally {
    over.abort()
    await Promise.all(running)
  }
}

const inTime = (uid: string): number => RULES.get(uid)!.for + SLACK_S
const overInTime = (uid: string): number => RULES.get(uid)!.keepFiringFor + SLACK_S

/** Repeats until the signal; a failure is retried in the next round. */
async function forever(signal: AbortSignal, ms: number, act: (n: number) => Promise<void>): Promise<void> {
  let n = 0
  try {
    for await (const _ of every(ms, undefined, { signal: AbortSignal.any([signal, interruption.signal]) }))
      await act(n++).catch((error) => process.stderr.write(`It is tried again: ${(error as Error).message}\n`))
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error
  }
}
