import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addSet, type Scene, startScene } from '../scene.ts'

const MIB = 1024 * 1024
/** More than half of the budget, and announced in full at the start. */
const LENGTH = 6 * MIB

/** Calls that are not answered yet, in order. */
const asked: ServerResponse[] = []
const shop = createServer((request, response) => {
  request.resume().on('end', () => asked.push(response))
})
const nextCall = async () => {
  await expect.poll(() => asked.length, { interval: 10 }).toBeGreaterThan(0)
  return asked.shift()!
}
/** An answer of that length, of which only `bytes` bytes come. */
const answer = (response: ServerResponse, bytes: number, length = LENGTH) => {
  response.writeHead(200, { 'content-type': 'text/html', 'content-length': length })
  response.write('x'.repeat(bytes))
  if (bytes === length) response.end()
}
let scene: Scene
beforeAll(async () => {
  shop.listen(0, '127.0.0.1')
  await once(shop, 'listening')
  scene = await startScene({
    env: {
      SHOP_URL: `http://127.0.0.1:${(shop.address() as AddressInfo).port}/`,
      SHOP_TIMEOUT_MS: '8000',
      ANSWER_BUDGET_MIB: '8',
      RETRY_UNIT_SECONDS: '3600',
    },
  })
})
afterAll(async () => {
  shop.closeAllConnections()
  shop.close()
  await scene.stop()
})

const queued = async () => scene.enqueue('price', { product: (await addSet(scene.sql)).productIds[0]! })

test('while a large answer is being received, another one finds no room', async () => {
  const second = await queued() // its time is over first
  const later = await nextCall()
  await queued()
  answer(await nextCall(), MIB)
  const small = await queued()
  answer(await nextCall(), 5, 5)
  await scene.untilStatus(small, 'blocked') // so the large one has begun
  answer(later, MIB)
  expect((await scene.untilStatus(second, 'delayed')).message).toContain('found no room in memory')
})

const NO_JSON = 'The Shop sent an answer that is not JSON.'

test('who is done with an answer gives its room to the next', async () => {
  for (let k = 0; k < 3; k++) {
    const item = await queued()
    answer(await nextCall(), LENGTH)
    expect(await scene.untilStatus(item, 'blocked', 'delayed')).toMatchObject({ status: 'blocked', message: NO_JSON })
  }
})
