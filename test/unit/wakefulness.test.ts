import { beforeEach, describe, expect, it } from 'vitest'
import { createWakefulness, type Look } from '../../worker/life/wakefulness.ts'

let clock: number
let stored: boolean[]
let away: boolean
beforeEach(() => {
  clock = 100_000
  stored = []
  away = false
})

const asleep = () =>
  createWakefulness(
    async (awake) => {
      if (away) throw new Error('The database is away')
      stored.push(awake)
    },
    () => clock,
  )

async function looks(wakefulness: ReturnType<typeof asleep>, n: number, look: Look, wokenMeanwhile = true) {
  let inMs: number | null = null
  for (let k = 0; k < n; k++) inMs = await wakefulness.after(look, wokenMeanwhile)
  return inMs
}

async function awake() {
  const wakefulness = asleep()
  await looks(wakefulness, 20, 'found')
  expect(stored).toEqual([true])
  return wakefulness
}

describe('asleep', () => {
  it('waits to be called', async () => {
    const wakefulness = asleep()
    expect(await looks(wakefulness, 100, 'nothing')).toBeNull()
    expect(await looks(wakefulness, 19, 'found')).toBeNull()
    expect(stored).toEqual([])
  })

  it.each(['nothing', 'found'] as const)('is not awake before it has been busy without a pause (%s)', async (pause) => {
    const wakefulness = asleep()
    await looks(wakefulness, 19, 'found')
    await looks(wakefulness, 1, pause, false)
    await looks(wakefulness, 19, 'found')
    expect(stored).toEqual([])
    expect(await looks(wakefulness, 1, 'found')).toBe(0)
    expect(stored).toEqual([true])
  })

  it('is awake when it has been called again and again for nothing: it has no room', async () => {
    expect(await looks(asleep(), 20, 'no room', false)).toBeNull()
    expect(stored).toEqual([true])
  })
})

describe('awake', () => {
  it('looks at once while it finds something, then after pauses, then says it sleeps and looks once more', async () => {
    const wakefulness = await awake()
    expect(await looks(wakefulness, 1, 'nothing', false)).toBe(3)
    clock += 19
    expect(await looks(wakefulness, 1, 'nothing', false)).toBe(3)
    expect(await looks(wakefulness, 1, 'found', false)).toBe(0)
    clock += 19
    expect(await looks(wakefulness, 1, 'nothing', false)).toBe(3)
    clock += 1
    expect(stored).toEqual([true])
    expect(await looks(wakefulness, 1, 'nothing', false)).toBe(0)
    expect(stored).toEqual([true, false])
    expect(await looks(wakefulness, 1, 'nothing', false)).toBe(10)
    clock += 10
    expect(await looks(wakefulness, 1, 'nothing', false)).toBe(40)
    clock += 45
    expect(await looks(wakefulness, 1, 'found', false)).toBe(195)
    clock += 195
    expect(await looks(wakefulness, 1, 'nothing', false)).toBeNull()
    expect(stored).toEqual([true, false])
  })

  it('does not fall asleep for want of room', async () => {
    const wakefulness = await awake()
    clock += 60_000
    expect(await looks(wakefulness, 1, 'no room', false)).toBeNull()
    expect(stored).toEqual([true])
  })

  it('has not fallen asleep before the database has confirmed it', async () => {
    const wakefulness = await awake()
    clock += 20
    away = true
    await expect(looks(wakefulness, 1, 'nothing')).rejects.toThrow('away')
    away = false
    expect(await looks(wakefulness, 1, 'nothing')).toBe(0)
    expect(stored).toEqual([true, false])
  })
})
