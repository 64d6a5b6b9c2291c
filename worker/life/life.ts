import { setTimeout as delay } from 'node:timers/promises'
import type { CatalogueSet } from '../domain/catalogue.ts'
import type { Adopted, ClaimedItem, Exchange, Item } from '../domain/item.ts'
import type { Status } from '../domain/statuses.ts'
import { atOf, type Commit, type Entered, type Micros, type Passage, passages } from '../domain/step.ts'
import type { NewIds } from '../queue/conflict.ts'
import { type Finish, type Finished, finishSteps, type WriteBack } from '../queue/finish.ts'
import { type NewRequest, requestSteps } from '../queue/make-request.ts'
import { type Settlement, settleSteps } from '../queue/settle.ts'
import { Attempt, type Statements } from '../telemetry/attempt.ts'
import type { Verbs } from './carry-out.ts'
import type { Desk, Written } from './desk.ts'
import { LOCKED_RETRY_MS } from './patience.ts'

/**
 * An item in hand, from its claim to where it rests: what this process knows about it. Each verb asks the desk, records
 * the item's new status, and reports to the attempt, once the commit is known.
 *
 * One life per claim, not per item: a worker that lost an item to another may claim it again before its first life has
 * ended.
 */
export class Life<Held extends Item = Item> implements Verbs {
  readonly inTransaction = false
  readonly item: Held
  /** The item's status, as in the history. */
  status: Status
  since: Micros
  readonly attempt: Attempt
  readonly #desk: Desk

  private constructor(item: Held, status: Status, attempt: Attempt, desk: Desk) {
    this.item = item
    this.status = status
    this.since = item.at
    this.attempt = attempt
    this.#desk = desk
  }

  /** @param statements the statements that brought it here */
  static begin(
    item: ClaimedItem,
    set: CatalogueSet | undefined,
    statements: Statements,
    desk: Desk,
  ): Life<ClaimedItem> {
    const attempt = Attempt.begin(desk.telemetry, item, set, desk.line.flow(), statements)
    return new Life(item, 'processing', attempt, desk)
  }

  static resume(adopted: Adopted, desk: Desk): Life {
    return new Life(adopted.item, 'response_processing', Attempt.resume(desk.telemetry, adopted), desk)
  }

  /** @returns false: another worker has the item, and nothing may be sent */
  async makeRequest(request: Omit<NewRequest, 'item' | 'traceId'>): Promise<boolean> {
    const { traceId } = this.attempt
    const { result: commit, statement } = await this.#desk.makeRequest({ ...request, item: this.item, traceId })
    if (!commit) return false
    const steps = this.#enter(requestSteps(this.since, request, commit))
    this.attempt.requested(request.flow, request.body, steps, statement)
    return true
  }

  findConflict(ids: NewIds): Promise<string | null> {
    return this.#desk.findConflict(ids)
  }

  writeBack(products: WriteBack[], setSrcId: string | null): Promise<void> {
    return this.#desk.writeBack(this.item, products, setSrcId)
  }

  async settle(entry: Omit<Settlement, 'item'>): Promise<Commit | null> {
    const { result: commit, statement } = await this.#desk.settle(this.#ofItem(entry))
    if (!commit) {
      await this.#keepAnswer(entry.exchange)
      return null
    }
    this.#tellExchange(entry.exchange, commit, entry.answeredAt, entry.message)
    this.attempt.entered(this.#enter(settleSteps(this.since, entry, commit)), statement)
    if (entry.to !== 'response_processing') this.attempt.rested(this.status, this.since)
    return commit
  }

  finish(entry: Omit<Finish, 'item'>): Promise<Finished> {
    return this.#finishBy(this.#desk.finish, entry)
  }

  async finishLater(entry: Omit<Finish, 'item'>): Promise<void> {
    // A stopping worker leaves it: the answer is stored, and another worker goes on with it.
    do await delay(LOCKED_RETRY_MS)
    while (this.#desk.line.maySend() && (await this.#finishBy(this.#desk.finishPatiently, entry)) === 'locked')
  }

  async #finishBy(
    write: (entry: Finish) => Promise<Written<Finished>>,
    entry: Omit<Finish, 'item'>,
  ): Promise<Finished> {
    const { result, statement } = await write(this.#ofItem(entry))
    if (result === 'lost') await this.#keepAnswer(entry.exchange)
    if (typeof result === 'string') return result
    this.#tellExchange(entry.exchange, result, entry.at?.response ?? null, null)
    this.attempt.entered(this.#enter(finishSteps(this.status, this.since, entry, result)), statement)
    this.attempt.rested(this.status, this.since)
    return result
  }

  /** Its product no longer exists: it leaves the queue. */
  async drop(): Promise<void> {
    const step = await this.#desk.drop(this.item)
    if (!step) return
    this.attempt.entered(this.#enter([{ to: step.to, at: step.at, reason: step.reason }]), null)
    this.attempt.rested(this.status, this.since)
  }

  /** If no request will have the trace id, the item keeps it. */
  #ofItem<Entry>(entry: Entry): Entry & { item: Held; traceId?: string } {
    const { item, attempt } = this
    return this.status === 'processing' ? { ...entry, item, traceId: attempt.traceId } : { ...entry, item }
  }

  #enter(steps: readonly Entered[]): Passage[] {
    const passed = passages(this.status, this.since, steps)
    const last = steps.at(-1)
    if (last) {
      this.status = last.to
      this.since = last.at
    }
    return passed
  }

  #tellExchange(exchange: Exchange | null, commit: Commit, answeredAt: number | null, message: string | null): void {
    if (!exchange) return
    const at = atOf(commit, answeredAt ?? exchange.endedAt ?? commit.left)
    this.attempt.exchanged(exchange, this.#desk.server, at, message)
  }

  async #keepAnswer(exchange: Exchange | null): Promise<void> {
    if (exchange) await this.#desk.keepAnswer(this.item, exchange, this.attempt.traceId)
  }
}
