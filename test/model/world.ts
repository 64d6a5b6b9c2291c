import type { Sql } from '../../worker/database/database.ts'
import { creates, TOPICS, type Topic } from '../../worker/domain/topics.ts'
import {
  countFaults,
  feedbackFaults,
  historyFaults,
  type KeptItem,
  laneFaults,
  readItems,
  readSteps,
} from '../invariants.ts'
import { addSet } from '../scene.ts'
import { DUTIES, type Duty, type ModelWorker, type Out, openRig, type Rig } from './rig.ts'
import {
  carriedBy,
  FIELDS,
  type Field,
  type HowAnswered,
  type HowCalledBack,
  ModelShop,
  type ShopCall,
  subjectsOf,
} from './shop.ts'

/** A change that Seller Center has committed. */
export interface Change {
  itemId: string
  topic: Topic
  setId: string
  productId: string | null
  /** Its value of the field; later changes have higher ones. */
  value: number
}

/** A rule is broken. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

export const WORKERS = 2

/**
 * Everything in one run: a catalogue of two sets, of which the Shop has the first, two workers, Seller Center, the
 * Shop, and what the model knows about them.
 */
export class World {
  readonly rig: Rig
  shop = new ModelShop()
  workers: ModelWorker[] = []
  sets: { id: string; productIds: string[] }[] = []
  changes: Change[] = []
  calls: ShopCall[] = []
  /** Some process was frozen or killed: what lies between two statements may have been left to the leader. */
  isDisturbed = false
  /** A change that an admin has given up. */
  readonly givenUp = new Set<Change>()
  #value = 0
  #items: KeptItem[] = []
  readonly #sent: Out[] = []
  readonly #complaints: unknown[] = []

  private constructor(rig: Rig, sent: Out[], complaints: unknown[]) {
    this.rig = rig
    this.#sent = sent
    this.#complaints = complaints
  }

  static async open(databaseUrl: string): Promise<World> {
    const [sent, complaints] = [[] as Out[], [] as unknown[]]
    const rig = await openRig(databaseUrl, {
      onSent: (out) => sent.push(out),
      complain: (error) => complaints.push(error),
    })
    return new World(rig, sent, complaints)
  }

  async begin(): Promise<void> {
    for (const worker of this.workers) worker.kill(0)
    await this.rig.clear()
    this.shop = new ModelShop()
    this.changes = []
    this.calls = []
    this.isDisturbed = false
    this.givenUp.clear()
    this.#value = 0
    this.#sent.length = this.#complaints.length = 0
    const added = [
      await addSet(this.rig.sql, { products: 2 }),
      await addSet(this.rig.sql, { products: 2, inShop: false }),
    ]
    this.sets = added.map(({ setId: id, productIds }) => ({ id, productIds }))
    this.workers = []
    for (let k = 1; k <= WORKERS; k++) this.workers.push(await this.rig.enter(`worker ${k}`))
  }

  #productAt(place: number): { setId: string; productId: string } {
    const all = this.sets.flatMap(({ id, productIds }) => productIds.map((productId) => ({ setId: id, productId })))
    return all[place % all.length]!
  }

  /** Seller Center changes a product, or its set, and queues that. */
  async change(topic: Topic, place: number): Promise<string | null> {
    const { setId, productId } = this.#productAt(place)
    const value = ++this.#value
    const subject = TOPICS[topic].subject === 'product_set' ? { setId } : { productId }
    const itemId = await this.rig.sql.begin(async (transaction) => {
      const tx = transaction as unknown as Sql
      const found = await write(tx, FIELDS[topic], value, setId, subject.productId ?? null)
      return found ? this.rig.enqueue(tx, topic, subject) : null
    })
    if (itemId === null) return null
    this.changes.push({ itemId, topic, setId, productId: subject.productId ?? null, value })
    return `Seller Center changes ${topic} of ${this.name(subject)} to ${value}: ${this.nameOfItem(itemId)}`
  }

  async remove(place: number): Promise<string | null> {
    const { productId } = this.#productAt(place)
    const { count } = await this.rig.sql`delete from catalog.product where id = ${productId}::bigint`
    return count === 0 ? null : `Seller Center deletes ${this.name({ productId })}`
  }

  /** Into the other set. */
  async move(place: number): Promise<string | null> {
    const { productId } = this.#productAt(place)
    const [moved] = await this.rig.sql<{ setId: string }[]>`
      update catalog.product p set product_set_id = s.id from catalog.product_set s
      where p.id = ${productId}::bigint and s.id <> p.product_set_id returning s.id as "setId"`
    return moved ? `Seller Center moves ${this.name({ productId })} to ${this.name({ setId: moved.setId })}` : null
  }

  name({ productId, setId }: { productId?: string | null; setId?: string }): string {
    const set = this.sets.findIndex(({ id, productIds }) => (productId ? productIds.includes(productId) : id === setId))
    const letter = 'AB'[set] ?? '?'
    return productId ? `product ${letter}${this.sets[set]!.productIds.indexOf(productId) + 1}` : `set ${letter}`
  }

  /** From "product 17" or "set 4". */
  #nameOf(subject: string): string {
    const [what, id] = subject.split(' ')
    return this.name(what === 'set' ? { setId: id! } : { productId: id! })
  }

  nameOfItem(itemId: string): string {
    const ids = [...new Set(this.changes.map((change) => change.itemId))]
    const place = ids.indexOf(itemId)
    return place < 0 ? `item ${itemId}` : `item ${place + 1}`
  }

  nameOfCall({ number, topic, itemId, worker }: ShopCall): string {
    return `call ${number} (${topic}, ${this.nameOfItem(itemId)}, ${worker.name})`
  }

  async answer(call: ShopCall, how: HowAnswered): Promise<void> {
    call.isAnswered = true
    await call.answer(this.shop.answer(call, how, await this.#otherId(call)))
  }

  async callBack(call: ShopCall, how: HowCalledBack): Promise<void> {
    await this.rig.callBack(call.call.requestId, this.shop.callBack(call, how, await this.#otherId(call)))
  }

  /** The Shop's id of a product that a call is not about. */
  async #otherId({ subjects }: ShopCall): Promise<string> {
    const [row] = await this.rig.sql<{ srcId: string }[]>`
      select src_id as "srcId" from catalog.product
      where src_id is not null and 'product ' || id <> all (${subjects}::text[]) order by id limit 1`
    return row?.srcId ?? '1'
  }

  async close(): Promise<void> {
    for (const worker of this.workers) worker.kill(0)
    await this.rig.stop()
  }

  /** Items that are in the queue. */
  get queue(): KeptItem[] {
    return this.#items.filter(({ lane }) => lane !== null)
  }

  /** Records what has happened and checks it against the rules. */
  async look(): Promise<void> {
    const { sql } = this.rig
    const [items, steps, counts, lanes, untold, stuck] = await Promise.all([
      readItems(sql),
      readSteps(sql),
      countFaults(sql),
      laneFaults(sql),
      feedbackFaults(sql),
      this.rig.stuckSets(),
    ])
    this.#items = items.toSorted((a, b) => Number(a.id) - Number(b.id))
    const byId = new Map(items.map((item) => [item.id, item]))
    for (const out of this.#sent.splice(0)) this.#note(out, byId.get(out.itemId))
    const stepsOf = Map.groupBy(steps, ({ itemId }) => itemId)
    const faults = [
      ...this.#complaints.splice(0).map((error) => `a worker complains: ${(error as Error).stack}`),
      ...counts,
      ...lanes,
      ...untold,
      ...items.flatMap((item) =>
        historyFaults(item, stepsOf.get(item.id) ?? []).map((fault) => `${this.nameOfItem(item.id)}: ${fault}`),
      ),
      ...(this.isDisturbed ? [] : stuck.map((id) => `${this.name({ setId: id })}: somebody waits, and for nobody`)),
      ...this.changes.flatMap((change) => this.#unkept(change, byId.get(change.itemId)) ?? []),
    ]
    if (faults.length > 0) throw new Violation(faults.join('\n'))
  }

  /** A call has left. */
  #note(out: Out, item: KeptItem | undefined): void {
    if (!item) throw new Violation(`A call left of item ${out.itemId}, which is nowhere.`)
    const topic = item.topic as Topic
    const { params } = out.call
    const subjects = subjectsOf(topic, params, item)
    const call: ShopCall = {
      ...out,
      number: this.calls.length + 1,
      topic,
      carries: carriedBy(topic, params),
      subjects,
      isAnswered: false,
      isAbandoned: false,
      done: null,
      isTold: false,
    }
    const other = this.calls.find(
      (one) => !one.isAnswered && !one.isAbandoned && one.subjects.some((subject) => subjects.includes(subject)),
    )
    this.calls.push(call)
    const about = subjects.map((one) => this.#nameOf(one)).join(', ')
    if (other) throw new Violation(`Call ${call.number} left of ${about} while call ${other.number} was out.`)
  }

  /** Why a change is lost; null: it is not. */
  #unkept(change: Change, item: KeptItem | undefined): string | null {
    const { topic, itemId, value } = change
    const subject = `${topic} to ${value} (${this.nameOfItem(itemId)})`
    if (!item) return `${subject} is neither in the queue nor in the history`
    if (item.lane !== null || item.status !== 'synced') return null
    if (item.reason === 'nothing_to_send' && creates(topic)) return null
    const told = this.calls.filter((call) => call.itemId === itemId && call.isTold)
    // a create is sent once: what it absorbed later is queued as content
    if (told.some(({ carries }) => creates(topic) || carries.some((carried) => carried >= value))) return null
    return `${subject} is called Synced, and no call that carried it has succeeded`
  }

  /** From now on all goes well, until nothing moves any more; then the Shop must have what the catalogue has. */
  async heal(): Promise<void> {
    for (const worker of this.workers) if (worker.gate.state !== 'dead') await worker.thaw()
    await this.replaceDead()
    await this.look()
    const [worker, ...others] = this.workers
    this.isDisturbed = true
    for (const each of others) each.kill(0)
    await this.leasePasses()
    await worker!.takeOver()
    await this.look()
    for (let round = 0; round < ROUNDS; round++) {
      const before = this.#state()
      await this.#nudge(worker!)
      if (this.#state() === before) {
        await this.#atRest()
        return
      }
    }
    throw new Violation(`Nothing comes to rest:\n${this.#state()}`)
  }

  #state(): string {
    return this.#items
      .map(({ id, topic, status, lane, reason }) => `${this.nameOfItem(id)} ${topic} ${status} ${lane} ${reason}`)
      .join('\n')
  }

  async #nudge(worker: ModelWorker): Promise<void> {
    for (const duty of Object.keys(DUTIES) as Duty[]) await worker.do(duty)
    await this.rig.becomeDue()
    await worker.claim(100)
    await worker.work()
    await this.look()
    for (const call of this.calls) if (!call.isAnswered) await this.answer(call, 'success')
    for (const item of this.queue) {
      const call = this.calls.findLast(({ itemId }) => itemId === item.id)
      if (item.lane === 'awaiting' && call) await this.callBack(call, 'success')
      if (item.reason === 'failure' && item.lane === 'delayed' && item.topic !== 'images')
        await this.rig.requeue(item.id)
      if (ADMIN_RESOLVES.has(item.reason ?? ''))
        await this.resolve(item, creates(item.topic as Topic) ? 'discard' : 'resend')
    }
    await worker.applyCallbacks()
    await this.look()
  }

  async resolve(item: KeptItem, action: 'resend' | 'discard'): Promise<string | null> {
    if ((await this.rig.resolve(item.id, action)) === 0) return null
    if (action === 'discard') for (const change of this.changes) if (change.itemId === item.id) this.givenUp.add(change)
    return `an admin decides to ${action} ${this.nameOfItem(item.id)}`
  }

  /** A process that does not run is taken for dead, and learns of it when it goes on. */
  async leasePasses(): Promise<void> {
    await this.rig.leasePasses(this.workers.filter(({ gate }) => gate.state === 'open'))
    for (const worker of this.workers) worker.isAlive &&= worker.gate.state === 'open'
    for (const call of this.calls) call.isAbandoned ||= call.worker.gate.state !== 'open'
  }

  /** A process that has ended is restarted under another id. */
  async replaceDead(): Promise<void> {
    for (const [place, worker] of this.workers.entries())
      if (worker.gate.state === 'dead') this.workers[place] = await this.rig.enter(worker.name)
  }

  async #atRest(): Promise<void> {
    const faults = this.queue
      .filter(({ lane, reason }) => lane !== 'blocked' || reason === null)
      .map(({ id, status, lane, reason }) => `${this.nameOfItem(id)} stays ${status} (${lane}), reason ${reason}`)
    faults.push(...(await this.#unequal()))
    if (faults.length > 0) throw new Violation(`All is at rest, and\n${faults.join('\n')}`)
  }

  /** What the Shop has not been told. */
  async #unequal(): Promise<string[]> {
    const kept = await this.rig.sql<Kept[]>`
      select 'product ' || id as subject, src_id as "srcId", price::float8, stock, consignment_stock as consignment,
        description::int, null::int as images
      from catalog.product
      union all
      select 'set ' || s.id, 'set ' || s.src_id, null, null, null, null,
        (select hash::int from catalog.product_image m where m.product_set_id = s.id)
      from catalog.product_set s
      -- a set without products is not sent until it has one
      where exists (select from catalog.product p where p.product_set_id = s.id)`
    return this.changes.flatMap((change) => {
      const field = FIELDS[change.topic]
      const item = this.#items.find(({ id }) => id === change.itemId)
      if (this.givenUp.has(change) || (item?.lane && item.reason !== null)) return []
      const subjects = this.#toldOf(change)
      return kept.flatMap(({ subject, srcId, [field]: now }) => {
        // a later change is reported by its own item
        if (!subjects.includes(subject) || srcId === null || now !== change.value) return []
        const has = this.shop.has.get(srcId)?.[field]
        if (has?.value === now) return []
        const said = `${change.topic} to ${now} (${this.nameOfItem(change.itemId)}): of ${this.#nameOf(subject)}`
        return `${said} the Shop has ${has ? `${has.value}, by call ${has.by}` : 'nothing'}`
      })
    })
  }

  /**
   * What the Shop must have been told in the end. A create tells what the Shop lacks; what it absorbed after it was
   * sent is told as content.
   */
  #toldOf({ topic, itemId, setId, productId, value }: Change): string[] {
    if (!creates(topic)) return [productId === null ? `set ${setId}` : `product ${productId}`]
    return this.calls
      .filter((call) => call.itemId === itemId && call.isTold && Math.max(...call.carries) < value)
      .flatMap(({ subjects }) => subjects)
  }
}

/** What the catalogue has for a product or a set. */
type Kept = { subject: string; srcId: string | null } & Record<Field, number | null>

const ADMIN_RESOLVES = new Set(['unprocessable_response', 'src_id_conflict', 'unknown_outcome'])
/** Enough for a create that fails, what waits for it, and the consequences. */
const ROUNDS = 30

/** @returns whether there is such a product or set */
async function write(tx: Sql, field: Field, value: number, setId: string, productId: string | null): Promise<boolean> {
  if (field === 'images') {
    await tx`delete from catalog.product_image where product_set_id = ${setId}::bigint`
    const rows = await tx`
      insert into catalog.product_image (product_set_id, position, url, hash)
      select id, 1, 'https://images.example/1.jpg', ${value}::int::text from catalog.product_set
      where id = ${setId}::bigint returning 1`
    return rows.length > 0
  }
  const ofSet = productId === null
  const rows = await tx`
    update catalog.product set
      price = case when ${field}::text = 'price' then ${value}::int else price end,
      stock = case when ${field}::text = 'stock' then ${value}::int else stock end,
      consignment_stock = case when ${field}::text = 'consignment' then ${value}::int else consignment_stock end,
      description = case when ${field}::text = 'description' then ${value}::int::text else description end
    where case when ${ofSet}::text::boolean then product_set_id = ${setId}::bigint else id = ${productId}::bigint end
    returning 1`
  return rows.length > 0
}
