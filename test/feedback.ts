import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { between, pick, type Random, seeded } from '../demo/chance.ts'
import { freePort } from '../demo/postgres.ts'
import type { SettingsInput } from '../demo/shop/troubles.ts'
import type { Sql } from '../worker/database/database.ts'
import { VIEWER_API_KEY, type WorkerProcess } from './worker-process.ts'

/** Of the simulated Shop: what fails is tried again soon, and some of it is given up. */
export const FEEDBACK_TROUBLES = { default: { http500: 5 } } satisfies SettingsInput
const WORKER = { RETRY_UNIT_SECONDS: '1', FAILED_AFTER: '2', MAX_RETRIES: '2', LEASE_SECONDS: '5' }

/** At least. */
const WORKERS_KILLED = 2
const CONSUMERS_KILLED = 4

export interface FeedbackTried {
  products: number
  seconds: number
  /** How often each was killed. */
  workersKilled: number
  consumersKilled: number
  /** What the consumer was told, and how much of that it had been told before. */
  told: number
  repeated: number
  /** Products of which the consumer ends with something else than the view. */
  different: number
  /** How many products there are in the end by state. */
  states: Record<string, number>
}

/**
 * Products change their states while workers and the consumer, `demo/feedback.ts`, are killed at random and started
 * again. In the end the consumer must have what the view has.
 */
export async function tryFeedback(
  {
    sql,
    databaseUrl,
    startWorker,
  }: { sql: Sql; databaseUrl: string; startWorker(env: Record<string, string>): Promise<WorkerProcess> },
  { products, seed = 7 }: { products: number; seed?: number },
  log: (line: string) => void = () => {},
): Promise<FeedbackTried> {
  const began = performance.now()
  const random = seeded(seed)
  await sql`set statement_timeout = 0`
  await fill(sql, products)
  const ports = [await freePort(), await freePort()]
  const start = (place: number) => startWorker({ ...WORKER, INTERNAL_PORT: String(ports[place]) })
  const workers = [await start(0), await start(1)]
  const consume = () => startConsumer(databaseUrl, `http://127.0.0.1:${ports[0]}`)
  let consumer = consume()
  await consumer.begun
  await countTold(sql)

  const killed = { workers: 0, consumers: 0 }
  const endOfKills = [
    // of many products, seldom enough that most of the time both work
    repeatedly(random, 1000, Math.max(4000, products / 5), async () => {
      const place = between(random, 0, 1)
      await workers[place]!.kill()
      killed.workers++
      workers[place] = await start(place)
    }),
    repeatedly(random, 50, 3000, async () => {
      await consumer.kill()
      killed.consumers++
      consumer = consume()
      await consumer.begun
    }),
  ] as const
  try {
    await change(sql, products, random)
    log(`All has been changed after ${Math.round((performance.now() - began) / 1000)} s`)
    await untilIs(async () => [{ isSo: killed.workers >= WORKERS_KILLED }])
    // What dead workers left is taken up by one that has lived for a lease.
    await endOfKills[0]()
    await untilIs(() => atRest(sql))
    await untilIs(async () => [{ isSo: killed.consumers >= CONSUMERS_KILLED }])
    log(`Nothing moves any more after ${Math.round((performance.now() - began) / 1000)} s`)
  } finally {
    await Promise.all(endOfKills.map((end) => end()))
  }
  await untilIs(
    () => sql<Told[]>`
      select split_part(c.cursor, '-', 2)::bigint = h.position
        and not exists (select from shop_update.touched) as "isSo"
      from seller_center.feedback_cursor c, shop_update.feedback_head h`,
  )
  await consumer.kill()
  const [row] = await sql<{ told: number; repeated: number; different: number; states: Record<string, number> }[]>`
    select
      (select count(*)::int from seller_center.told) as told,
      (select count(*)::int from seller_center.told where repeated) as repeated,
      (select count(*)::int from ${differences(sql)} d) as different,
      (select json_object_agg(state, n) from (
        select state, count(*) as n from shop_update.product_state group by state) s) as states`
  const seconds = Math.round((performance.now() - began) / 1000)
  return { products, seconds, workersKilled: killed.workers, consumersKilled: killed.consumers, ...row! }
}

/** @returns how to end it */
function repeatedly(random: Random, low: number, high: number, act: () => Promise<void>): () => Promise<void> {
  const ended = new AbortController()
  const acting = (async () => {
    for (;;) {
      await wait(between(random, low, high), null, { signal: ended.signal }).catch((error) => {
        if (!ended.signal.aborted) throw error
      })
      if (ended.signal.aborted) return
      await act()
    }
  })()
  return () => {
    ended.abort()
    return acting
  }
}

/** Nothing moves any more: what is left waits for a person. */
const atRest = (sql: Sql) => sql<Told[]>`
  select not exists (
    select from shop_update.item
    where lane in ('ready', 'behind', 'in_flight', 'awaiting') or lane = 'delayed' and run_at < 'infinity') as "isSo"`

/** As JSON has it: to the millisecond. */
const differences = (sql: Sql) => sql`(
  select product_id, state, date_trunc('milliseconds', since) as since, expected_at from shop_update.product_state
  except
  select product_id, state, since, expected_at from seller_center.product_feedback
  union all (
    select product_id, state, since, expected_at from seller_center.product_feedback
    except
    select product_id, state, date_trunc('milliseconds', since), expected_at from shop_update.product_state))`

/** Every fourth product is alone in its set, the others are three to a set; a tenth is not in the Shop yet. */
async function fill(sql: Sql, products: number): Promise<void> {
  await sql`insert into catalog.seller (id, name) select 800 + g, 'Seller ' || g from generate_series(1, 20) g`
  await sql`
    insert into catalog.product_set (id, seller_id, src_id, title)
    select g, 801 + g % 20, case when g % 10 > 0 then (7000000 + g)::text end, 'Set ' || g
    from generate_series(1, (${products}::int + 1) / 2) g`
  await sql`
    insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id, stock)
    select g, s.id, 'S' || g, case when s.src_id is not null then 'K' || g end,
      case when s.src_id is not null then (9000000 + g)::text end, 5
    from generate_series(1, ${products}::int) g
    join catalog.product_set s on s.id = case when g % 4 = 0 then g / 2 else g / 4 * 2 + 1 end`
}

/** Each product once or more, in parts; now and then the catalogue as well. */
async function change(sql: Sql, products: number, random: Random): Promise<void> {
  const part = Math.max(100, Math.round(products / 40))
  for (let from = 1; from <= products; from += part) {
    const topic = pick(random, ['price', 'content', 'status'] as const)
    await sql`
      select count(case when p.src_id is null
        then shop_update.enqueue('new_product_set', product_set_id => p.product_set_id)
        else shop_update.enqueue(${topic}::text, product_id => p.id) end)
      from (
        select * from catalog.product
        where id between ${from}::bigint and ${from + part - 1}::bigint order by id) p`
    const some = between(random, 1, products)
    await sql`update catalog.product set active = not active where id between ${some}::bigint and ${some + 20}::bigint`
    await sql`
      update catalog.product set qc_status = ${pick(random, ['pending', 'approved', 'rejected'])}
      where id between ${some + 30}::bigint and ${some + 40}::bigint`
    await sql`delete from catalog.product where id = ${some + 50}::bigint`
    await sql`update catalog.seller set active = not active where id = ${between(random, 801, 820)}::bigint`
    await wait(200)
  }
}

/** Notes what the consumer is told, and whether it knew that to the letter. */
async function countTold(sql: Sql): Promise<void> {
  await sql`create table seller_center.told (product_id bigint not null, repeated boolean not null)`
  await sql.unsafe(`
    create function seller_center.note_told() returns trigger language plpgsql as $$
    begin
      insert into seller_center.told values (new.product_id, tg_op = 'UPDATE' and old.published_at = new.published_at);
      return null;
    end $$;
    create trigger told after insert or update on seller_center.product_feedback
      for each row execute function seller_center.note_told()`)
}

const PROGRAM = join(import.meta.dirname, '..', 'demo', 'feedback.ts')

function startConsumer(databaseUrl: string, apiUrl: string): { begun: Promise<unknown>; kill(): Promise<void> } {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM], {
    env: { PATH: process.env.PATH ?? '', DATABASE_URL: databaseUrl, API_URL: apiUrl, VIEWER_API_KEY },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    // by then its tables are there
    begun: once(child.stdout!, 'data'),
    async kill() {
      if (child.exitCode !== null) throw new Error(`The consumer ended with code ${child.exitCode}`)
      child.kill('SIGKILL')
      await exited
    },
  }
}

const GUARD_MS = 1_800_000

interface Told {
  isSo: boolean
}

async function untilIs(ask: () => PromiseLike<readonly Told[]>): Promise<void> {
  const until = performance.now() + GUARD_MS
  while (!(await ask())[0]?.isSo) {
    if (performance.now() > until) throw new Error('What was waited for has not come within half an hour.')
    await wait(200)
  }
}
