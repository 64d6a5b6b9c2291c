import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Sql } from '../../worker/database/database.ts'
import { measureWorker } from './measure.ts'
import { fillCatalogue, type Rig, startRig } from './rig.ts'
import { median } from './setting.ts'

const PEERS = ['graphile-worker', 'pg-boss'] as const
type Peer = (typeof PEERS)[number]

/** Counts the jobs that are not done. */
const OPEN_JOBS: Record<Peer, string> = {
  'graphile-worker': 'select count(*)::int as n from graphile_worker._private_jobs',
  'pg-boss': "select count(*)::int as n from pgboss.job where name = 'stock' and state <> 'completed'",
}

/**
 * The same stock changes through the worker and through handlers on other queues. Those group like the worker, with a
 * few set-based statements for many items, keep the same history and calls, and write back the same. They have no other
 * feature of the worker. They are not dependencies: `peers` is the folder in which they are installed.
 */
export async function peers(
  { items, rounds, peers: folder }: { items: number; rounds: number; peers: string },
  log: (line: string) => void,
) {
  const found = PEERS.flatMap((name) => {
    const path = join(folder, 'node_modules', name, 'package.json')
    return folder !== '' && existsSync(path) ? [{ name, version: JSON.parse(readFileSync(path, 'utf8')).version }] : []
  })
  if (found.length < PEERS.length) {
    const skipped =
      `Skipped: ${PEERS.filter((name) => !found.some((each) => each.name === name)).join(' and ')} not found. ` +
      `npm i --prefix DIR ${PEERS.join(' ')} installs them; then --peers DIR.`
    log(skipped)
    return { name: 'peers', skipped }
  }
  log(found.map(({ name, version }) => `${name} ${version}`).join(', '))
  const ours: number[] = []
  const theirs = { 'graphile-worker': [] as number[], 'pg-boss': [] as number[] }
  for (let round = 1; round <= rounds; round++) {
    ours.push((await measureWorker({ items })).itemsPerSecond)
    for (const name of PEERS) theirs[name].push(await measurePeer(name, folder, items))
    const rates = PEERS.map((name) => `${name} ${Math.round(theirs[name].at(-1)!)}`)
    log(`Round ${round}: ours ${Math.round(ours.at(-1)!)}, ${rates.join(', ')} items a second`)
  }
  const rate = median(ours)
  return {
    name: 'peers',
    itemsPerSecond: Math.round(rate),
    graphileWorkerPerSecond: Math.round(median(theirs['graphile-worker'])),
    graphileWorkerRatio: Number((rate / median(theirs['graphile-worker'])).toFixed(3)),
    pgBossPerSecond: Math.round(median(theirs['pg-boss'])),
    pgBossRatio: Number((rate / median(theirs['pg-boss'])).toFixed(3)),
    versions: Object.fromEntries(found.map(({ name, version }) => [name, version])),
    items,
  }
}

/** @returns items per second, from the first that a handler receives to the last Synced */
async function measurePeer(name: Peer, folder: string, items: number): Promise<number> {
  const rig = await startRig()
  const { sql } = rig
  try {
    await fillCatalogue(sql, items)
    await sql.file(join(import.meta.dirname, 'peers/schema.sql'))
    await sql`
      with queued as (
        insert into app.change (product_set_id, product_id)
        select product_set_id, id from catalog.product order by id returning id, queued_at
      )
      insert into app.transition (item_id, at, to_status) select id, queued_at, 'pending' from queued`
    const itemsPerSecond = await runPeer(name, folder, rig, items)
    await checkPeer(sql, name, items)
    return itemsPerSecond
  } finally {
    await rig.stop()
  }
}

async function runPeer(name: Peer, folder: string, { sql, databaseUrl, shop }: Rig, items: number): Promise<number> {
  const child = fork(join(import.meta.dirname, 'peers/process.ts'), {
    env: {
      PATH: process.env.PATH ?? '',
      QUEUE: name,
      PEERS: resolve(folder),
      DATABASE_URL: databaseUrl,
      SHOP_URL: shop.url,
      ITEMS: String(items),
    },
  })
  const exited = once(child, 'exit')
  const said = async () => {
    const ended = exited.then(([code]) => {
      throw new Error(`${name} ended with code ${code} before all was done.`)
    })
    const [message] = await Promise.race([once(child, 'message'), ended])
    return message as { itemsPerSecond: number }
  }
  try {
    await said() // it has filled its queue
    await sql`set statement_timeout = 0`
    await sql`vacuum analyze`
    await sql`checkpoint`
    child.send('start')
    return (await said()).itemsPerSecond
  } finally {
    child.kill('SIGKILL')
  }
}

/** Like `checkComplete`, for what the handlers keep; also checks that no job is left. */
async function checkPeer(sql: Sql, name: Peer, items: number): Promise<void> {
  const [row] = await sql<Record<'synced' | 'steps' | 'calls' | 'products', number>[]>`
    with path as (
      select item_id, count(distinct to_status) as n from app.transition group by item_id
    )
    select
      count(*) filter (where c.status = 'synced')::int as synced,
      count(*) filter (where h.n = 8)::int as steps,
      count(*) filter (where q.body is not null and a.body is not null)::int as calls,
      count(*) filter (where p.src_updated_at is not null)::int as products
    from app.change c
    left join path h on h.item_id = c.id
    left join app.request q on q.item_id = c.id and q.request_id = c.request_id
    left join app.answer a on a.item_id = c.id and a.request_id = c.request_id
    left join catalog.product p on p.id = c.product_id`
  const [open] = await sql.unsafe<{ n: number }[]>(OPEN_JOBS[name])
  const missing = Object.entries(row!).flatMap(([what, n]) => (n === items ? [] : [`${what} of ${n}`]))
  if (open!.n > 0) missing.push(`${open!.n} jobs are left`)
  if (missing.length > 0)
    throw new Error(`The figure of ${name} does not count: of ${items} items ${missing.join(', ')}.`)
}
