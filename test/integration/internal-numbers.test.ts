import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createFeed } from '../../worker/api/internal/feed.ts'
import { sparing } from '../../worker/api/internal/sparing.ts'
import type { Kpis, Summary } from '../../worker/api/internal.ts'
import { connect } from '../../worker/database/database.ts'
import { STATUS_NAMES, STATUSES } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES, TOPICS } from '../../worker/domain/topics.ts'
import { migrate } from '../../worker/migrate.ts'
import { foldCounts } from '../../worker/queue/counts.ts'
import { createDatabase } from '../database.ts'
import { addSet, enqueue, finish, type Listener, put, startListener, VIEWER } from './internal-listener.ts'

let api: Listener
beforeAll(async () => {
  api = await startListener({ eventsEveryMs: 50 })
  const { sql } = api
  const { productIds } = await addSet(sql, 'NUM', { products: 12 })
  const statuses = STATUS_NAMES.filter((status) => status !== 'synced')
  const [first, ...others] = productIds as [string, ...string[]]
  for (const [place, status] of statuses.entries()) {
    // One set per status, because a set has at most one item in flight.
    const set = await addSet(sql, `NUM${place}`, { inShop: status !== 'blocked' })
    const id = await enqueue(sql, place % 2 ? 'content' : 'price', { product: set.productIds[0]! })
    if (status !== 'pending')
      await put(sql, id, status, {
        secondsAgo: 100 * (place + 1),
        ...(status === 'blocked' && { reason: 'not_in_shop' }),
      })
  }
  await enqueue(sql, 'stock', { product: first })
  for (const product of others.slice(0, 3)) await finish(sql, await enqueue(sql, 'price', { product }))
})
afterAll(() => api.stop())

describe('the summary', () => {
  it('tells what is to be sent, what waits for the Shop, and, apart from them, what is Blocked', async () => {
    const summary = await api.get<Summary>('/api/summary')
    expect(summary).toMatchObject({
      toSend: 6,
      awaitingShop: 5,
      blocked: 1,
      delayed: 2,
      failed: 1,
      toResolve: ['unprocessable_response', 'src_id_conflict', 'unknown_outcome'].map((reason) => ({
        reason,
        count: 0,
      })),
      stranded: 1,
      flow: { wanted: 'synchronous', workers: [] },
      retries: { most: 27, failedAfter: 12, unitSeconds: 60 },
    })
    expect(summary.byStatus.map(({ status }) => status)).toEqual(STATUS_NAMES)
    expect(summary.byStatus.find(({ status }) => status === 'building_payload')).toMatchObject({
      label: 'Building (Request) payload',
      count: 1,
    })
    expect(summary.byStatus.find(({ status }) => status === 'synced')).toEqual({
      status: 'synced',
      label: 'Synced',
      count: 3,
      oldestAt: null,
      oldestSeconds: null,
    })
    expect(summary.byTopic).toHaveLength(9)
    expect(summary.byTopic.find(({ topic }) => topic === 'stock')).toEqual({
      topic: 'stock',
      label: 'Stock',
      count: 1,
      toSend: 1,
      awaitingShop: 0,
      blocked: 0,
      delayed: 1,
      failed: 0,
    })
  })

  it('tells for each status since when its oldest item has it', async () => {
    const { byStatus } = await api.get<Summary>('/api/summary')
    const ages = byStatus
      .filter(({ status }) => status !== 'synced' && status !== 'pending')
      .map(({ oldestSeconds }) => Math.round(oldestSeconds! / 100))
    expect(ages).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    const failed = byStatus.find(({ status }) => status === 'failed')!
    // the numbers are kept for ten times as long as reading them took
    expect(Math.abs(Date.now() - Date.parse(failed.oldestAt!) - failed.oldestSeconds! * 1000)).toBeLessThan(30_000)
  })

  it('is the same before and after the counters are folded, and equals a recount', async () => {
    const before = await api.get<Summary>('/api/summary')
    expect(await foldCounts(api.sql)).toBeGreaterThan(0)
    const after = await api.get<Summary>('/api/summary')
    const counts = ({ byStatus }: Summary) => byStatus.map(({ status, count }) => [status, count])
    expect(counts(after)).toEqual(counts(before))
    const actual = await api.sql`select status, count(*)::int as n from shop_update.item group by status`
    for (const { status, n } of actual) expect(after.byStatus.find((row) => row.status === status)!.count).toBe(n)
  })
})

describe('the KPIs', () => {
  /** Numbers are kept for ten times as long as reading them took. */
  const ONCE_FORGOTTEN = { timeout: 20_000 }

  it('are the share of what was queued in each window that is Synced by now', async () => {
    const database = await startListener()
    const { sql } = database
    try {
      const empty = await database.get<Kpis>('/api/kpis')
      expect(empty['24h']).toEqual({
        queued: 0,
        synced: 0,
        ratio: null,
        requests: 0,
        p50Seconds: null,
        p95Seconds: null,
      })
      // 10 queued two days ago, of which 8 are Synced, folded; 4 queued now, of which 3 are, not folded.
      await sql`
        insert into shop_update.kpi_hour (hour, topic, bucket, n) values
          (date_trunc('hour', now() - interval '2 days'), 'price', -1, 10),
          (date_trunc('hour', now() - interval '2 days'), 'price', shop_update.bucket(1), 7),
          (date_trunc('hour', now() - interval '2 days'), 'price', shop_update.bucket(100), 1),
          (date_trunc('hour', now() - interval '200 days'), 'price', -1, 1000)`
      await sql`
        insert into shop_update.delta (kind, slot, topic, bucket, n) values
          ('queued', date_trunc('hour', now()), 'price', null, 4),
          ('synced', date_trunc('hour', now()), 'price', shop_update.bucket(1), 3)`
      await sql`
        with call (slot, topic, flow, outcome, bucket, n, milliseconds, slowest) as (
          values (now() - interval '20 days', 'price'::shop_update.topic,
            'synchronous'::shop_update.flow, 'success', 10::smallint, 5, 500, 200),
            (now() - interval '200 days', 'price', 'synchronous', 'success', 10, 50, 500, 200)),
        by_slot as (insert into shop_update.call_slot select * from call)
        insert into shop_update.call_hour select * from call`
      await sql`
        insert into shop_update.delta (kind, slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
        values ('call', now(), 'price', 'synchronous', 'failure', 10, 2, 300, 250)`
      const kpis = await vi.waitFor(async () => {
        const now = await database.get<Kpis>('/api/kpis')
        if (now['24h'].queued === 0) throw new Error('still the numbers of a moment ago')
        return now
      }, ONCE_FORGOTTEN)
      expect(Object.keys(kpis)).toEqual(['24h', '7d', '14d', '30d', '90d'])
      expect(kpis['24h']).toMatchObject({ queued: 4, synced: 3, ratio: 0.75, requests: 2 })
      expect(kpis['7d']).toMatchObject({ queued: 14, synced: 11, ratio: 11 / 14, requests: 2 })
      expect(kpis['30d']).toMatchObject({ queued: 14, requests: 7 })
      expect(kpis['90d']).toMatchObject({ queued: 14, synced: 11 })
      for (const [percentile, seconds] of [
        ['p50Seconds', 1],
        ['p95Seconds', 100],
      ] as const) {
        expect(kpis['7d'][percentile]! / seconds).toBeGreaterThan(0.8)
        expect(kpis['7d'][percentile]! / seconds).toBeLessThan(1.25)
      }
      await foldCounts(sql)
      await vi.waitFor(async () => expect(await database.get<Kpis>('/api/kpis')).toEqual(kpis), ONCE_FORGOTTEN)

      expect(
        await sql`
          select method, flow, outcome, calls, average_ms, slowest_ms
          from shop_update.call_stats order by slot desc limit 2`,
      ).toMatchObject([
        {
          method: 'Product.updatePrices',
          flow: 'synchronous',
          outcome: 'failure',
          calls: '2',
          average_ms: 150,
          slowest_ms: 250,
        },
        { outcome: 'success', calls: '5', average_ms: 100 },
      ])
    } finally {
      await database.stop()
    }
  })
})

describe('a reading that is spared', () => {
  it('is shared, kept for ten times as long as it took, and not kept where it failed', async () => {
    let clock = 0
    let reads = 0
    let fail = false
    const read = sparing(
      async () => {
        clock += 100
        if (fail) throw new Error('away')
        return ++reads
      },
      () => clock,
    )
    expect(await Promise.all([read(), read()])).toEqual([1, 1])
    clock += 999
    expect(await read()).toBe(1)
    clock += 1
    expect(await read()).toBe(2)
    clock += 1000
    fail = true
    await expect(read()).rejects.toThrow('away')
    fail = false
    expect(await read()).toBe(3)
  })
})

describe('events', () => {
  /** The events of `/api/events` as they arrive; ends with the connection. */
  async function* events(signal: AbortSignal): AsyncGenerator<{ event: string; data: Summary }> {
    const response = await fetch(`${api.url}/api/events`, { headers: { authorization: `Bearer ${VIEWER}` }, signal })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const parts = text.split('\n\n')
      text = parts.pop()!
      for (const part of parts) {
        const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? []
        yield { event, data: JSON.parse(data) }
      }
    }
  }

  it('tell the numbers at once and again after a while, until the client goes', async () => {
    const stop = new AbortController()
    const stream = events(stop.signal)
    const first = (await stream.next()).value!
    expect(first).toMatchObject({ event: 'summary', data: { toSend: 6, blocked: 1 } })
    const { productIds } = await addSet(api.sql, 'EVENT')
    await enqueue(api.sql, 'price', { product: productIds[0]! })
    // An event already on its way may still have the old number.
    await vi.waitFor(async () => expect((await stream.next()).value!.data.toSend).toBe(7), {
      timeout: 30_000,
      interval: 1,
    })
    stop.abort()
    await expect(stream.next()).rejects.toThrow()
  })

  it('cost nothing once the client has gone, nor where it asked for the head only', async () => {
    const reads = () =>
      api.sql<
        { n: string }[]
      >`select sum(seq_scan) as n from pg_stat_user_tables where relname in ('status_count', 'delta')`
    const stop = new AbortController()
    const stream = events(stop.signal)
    await stream.next()
    await stream.next()
    stop.abort()
    await stream.next().catch(() => {})
    expect((await api.call('HEAD', '/api/events')).status).toBe(200)
    // The server's statistics are written at most once a second. If they do not change for longer than several
    // readings, nothing reads.
    let [before] = await reads()
    await vi.waitFor(
      async () => {
        const [now] = await reads()
        const moved = now!.n !== before!.n
        before = now
        if (moved) throw new Error('somebody is still reading')
      },
      { timeout: 15_000, interval: 2500 },
    )
  })

  it('are one reading for all who listen, and none for nobody', async () => {
    let reads = 0
    let answer!: (n: number) => void
    const feed = createFeed(
      () => {
        reads++
        return new Promise<number>((resolve) => {
          answer = resolve
        })
      },
      60_000,
      () => {},
    )
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const listen = () => {
      const { promise, resolve } = Promise.withResolvers<number>()
      return { news: promise, leave: feed.join(resolve) }
    }
    const [first, second] = [listen(), listen()]
    expect([reads, timers()]).toEqual([1, before + 1])
    answer(7)
    expect(await Promise.all([first.news, second.news])).toEqual([7, 7])
    first.leave()
    expect(timers()).toBe(before + 1)
    second.leave()
    second.leave()
    expect([reads, timers()]).toEqual([1, before])
  })

  it('survive a reading that fails', async () => {
    const errors: unknown[] = []
    let fail = true
    const told = new Promise<string>((resolve) => {
      const feed = createFeed(
        async () => {
          if (fail) {
            fail = false
            throw new Error('the database is away')
          }
          return 'back'
        },
        1,
        (error) => errors.push(error),
      )
      const leave = feed.join((news) => {
        leave()
        resolve(news)
      })
    })
    expect(await told).toBe('back')
    expect(errors).toHaveLength(1)
  })
})

describe('views', () => {
  it('have the words of the requirements', async () => {
    for (const topic of TOPIC_NAMES) {
      const [row] = await api.sql`
        select shop_update.label(${topic}::text::shop_update.topic) as label,
          shop_update.method(${topic}::text::shop_update.topic) as method`
      expect(row).toEqual({ label: TOPICS[topic].label, method: TOPICS[topic].method })
    }
    for (const status of STATUS_NAMES) {
      const [row] = await api.sql`select shop_update.label(${status}::text::shop_update.status) as label`
      expect(row).toEqual({ label: STATUSES[status].label })
    }
  })

  it('show the queue to people', async () => {
    const rows = await api.sql`select * from shop_update.queue where status = 'failed'`
    expect(rows).toMatchObject([
      {
        seller_name: 'Nile Textiles',
        topic_label: 'Price',
        status_label: 'Failed',
        seller_sku: 'NUM10-1',
        sku: 'SHOP-NUM10-1',
        requeued_count: 11,
      },
    ])
    expect(rows[0]!.status_seconds).toBeGreaterThan(1000)
  })

  it('are readable by shop_update_read, which reads everything but secrets, and writes nothing', async () => {
    const reader = async (statement: string) => {
      try {
        return await api.sql.begin(async (tx) => {
          await tx`set local role shop_update_read`
          return (await tx.unsafe(statement)).length
        })
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    for (const name of [
      'queue',
      'kpi',
      'call_stats',
      'item',
      'transition',
      'request',
      'finished_item',
      'setting',
      'worker',
      'status_count',
    ]) {
      expect(await reader(`select * from shop_update.${name} limit 1`), name).toBeTypeOf('number')
    }
    expect(await reader('select * from catalog.product limit 1')).toBe(1)
    for (const name of ['system_credential', 'callback_key', 'audit'])
      expect(await reader(`select * from shop_update.${name}`), name).toBe('42501')
    for (const statement of [
      'delete from shop_update.item',
      "update shop_update.setting set value = '1'",
      "insert into catalog.seller (name) values ('x')",
    ]) {
      expect(await reader(statement), statement).toBe('42501')
    }
  })

  it('and the role can be made by several databases of a cluster at the same moment, again and again', async () => {
    const databases = await Promise.all([1, 2, 3, 4].map(() => createDatabase({ migrated: false })))
    const pools = databases.map(({ url }) => connect(url, { max: 1, name: 'test' }))
    try {
      const done = await Promise.all(pools.map((sql) => migrate(sql)))
      for (const files of done) expect(files).toContain('functions and views')
      await Promise.all(pools.map((sql) => sql`update shop_update.migration set digest = '' where version = 0`))
      await Promise.all(pools.map((sql) => migrate(sql)))
    } finally {
      await Promise.all(pools.map((sql) => sql.end()))
      await Promise.all(databases.map((database) => database.drop()))
    }
  })
})
