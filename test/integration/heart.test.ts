import pino from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHeart } from '../../worker/life/heart.ts'
import { createDatabase, type Database } from '../database.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.drop())

test('what was begun before a gap is not alive for good, though the heartbeats come again', async () => {
  const { sql } = database
  let gap = 0
  let onBeat = () => {}
  const beat = () =>
    new Promise<void>((resolve) => {
      onBeat = resolve
    })
  const heart = await createHeart({
    sql,
    background: sql,
    leaseSeconds: 4,
    log: pino({ level: 'silent' }),
    write: async () => gap,
    beaten: async () => onBeat(),
    onSilence() {},
    onLost() {},
  })
  heart.start()
  const begun = performance.now()
  await beat()
  expect([heart.isAlive(), heart.isAlive(begun)]).toEqual([true, true])
  gap = 10 // by the database's clock, this worker has been silent for that long
  await beat()
  gap = 0
  expect([heart.isAlive(), heart.isAlive(begun), heart.isAlive(performance.now())]).toEqual([true, false, true])
  await beat()
  expect([heart.isAlive(), heart.isAlive(begun)]).toEqual([true, false])
  await heart.stop()
})
