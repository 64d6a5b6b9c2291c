import { expect, it, test } from 'vitest'
import type { CatalogueProduct, CatalogueSet } from '../../worker/domain/catalogue.ts'
import type { Claim, ClaimedItem } from '../../worker/domain/item.ts'
import type { Desk } from '../../worker/life/desk.ts'
import { live } from '../../worker/life/item.ts'
import type { Life } from '../../worker/life/life.ts'
import type { Call } from '../../worker/shop/call.ts'
import { createCircuit } from '../../worker/shop/circuit.ts'
import { type ShopClient, type ShopResponse, ShopUnreachable } from '../../worker/shop/client.ts'
import { createLimiter } from '../../worker/shop/limiter.ts'
import { createLine } from '../../worker/shop/line.ts'

const call = { json: '{}' } as Call
const claim = (id: string, token = 1): Claim => ({ id, token })

/** A line to a Shop; `pace.said` is how often it has said "wait". */
function lineTo(send: ShopClient['send']) {
  let stopping = false
  const pace = { said: 0, refused() {} }
  const circuit = createCircuit({ now: () => 0, threshold: 1, probeFirstMs: 0 })
  const line = createLine({
    shop: { send } as ShopClient,
    circuit,
    limiter: createLimiter({ most: 8, now: () => 0 }),
    pace,
    flow: () => 'synchronous',
    maySend: () => !stopping,
    onRoom() {},
  })
  const stop = () => {
    stopping = true
  }
  return { line, pace, circuit, stop }
}

it('lets nothing leave that was claimed, or asked for, before the Shop said "wait"', async () => {
  const { line, pace } = lineTo(async () => expect.fail('has left'))
  line.claimed(claim('1'), pace.said)
  const before = pace.said
  pace.said++
  line.claimed(claim('2'), before)
  for (const item of [claim('1'), claim('2')]) {
    expect(await line.turn(item, 0)).toBe('shop_busy')
    expect(await line.send(item, call, {}, 0)).toEqual({ hindrance: 'shop_busy' })
  }
  line.claimed(claim('3'), pace.said)
  expect(await line.turn(claim('3'), 0)).toBeNull()
})

it('the end of the call of a lost claim is not the end of the next claim of the item', async () => {
  const out = Promise.withResolvers<ShopResponse>()
  const { line, pace } = lineTo(() => out.promise)
  const room = line.room()
  line.claimed(claim('1'), pace.said)
  const first = line.send(claim('1'), call, {}, 0)
  pace.said++
  line.claimed(claim('1', 2), pace.said)
  expect(line.room()).toBe(room - 2)
  out.resolve({ httpStatus: 200, saysWait: false, leftAt: 0 } as ShopResponse)
  await first
  expect(line.room()).toBe(room - 1)
  expect(await line.turn(claim('1', 2), 0)).toBeNull()
})

it('says why nothing leaves: the circuit is open, or this worker is stopping', async () => {
  const { line, circuit, stop } = lineTo(async () => expect.fail('has left'))
  line.claimed(claim('1'), 0)
  circuit.unreachable(claim('2'), 'HTTP 502')
  expect(await line.turn(claim('1'), 0)).toBe('shop_away')
  expect(await line.send(claim('1'), call, {}, 0)).toEqual({ hindrance: 'shop_away' })
  stop()
  expect(await line.turn(claim('1'), 0)).toBe('worker_stopped')
  expect(await line.send(claim('1'), call, {}, 0)).toEqual({ hindrance: 'worker_stopped' })
})

it('a probe that is turned away has found no Shop', async () => {
  const { line, circuit } = lineTo(async () => {
    throw Object.assign(new ShopUnreachable('reset', 'No.', 1), { turnedAway: true })
  })
  circuit.unreachable(claim('1'), 'HTTP 502')
  line.claimed(claim('2'), 0)
  expect(circuit.state).toBe('probing')
  await line.send(claim('2'), call, {}, 0)
  expect(circuit.state).toBe('open')
})

test('an item whose turn comes when the Shop takes no calls goes back without a request', async () => {
  const [settled, done]: [unknown[], string[]] = [[], []]
  const line = {
    turn: async () => 'shop_away',
    flow: () => 'synchronous',
    maySend: () => true,
    notSent: () => done.push('let go'),
  }
  const life = {
    item: {
      id: '1',
      topic: 'stock',
      productSetId: '5',
      productId: '42',
      requestId: '9',
      variationComing: false,
    } as ClaimedItem,
    settle: async (entry: unknown) => settled.push(entry),
    makeRequest: async () => expect.fail('a request was written'),
  } as unknown as Life<ClaimedItem>
  const product = { id: '42', sellerSku: 'A', srcId: '7', shopSku: 'S', stock: 1 } as CatalogueProduct
  await live(life, { id: '5', sellerId: '3', products: [product] } as CatalogueSet, { line } as unknown as Desk)
  expect(settled).toEqual([expect.objectContaining({ to: 'pending', reason: 'shop_away', exchange: null })])
  expect(done).toEqual(['let go'])
})
