import type { Flow } from '../domain/statuses.ts'
import type { Call } from './call.ts'
import { type Circuit, isGatewayError } from './circuit.ts'
import { NotSent, type ShopClient, type ShopHeaders, type ShopResponse, ShopUnreachable } from './client.ts'
import type { Limiter } from './limiter.ts'

/** What came of a call. Times by `performance.now()`. `not sent`: nothing has left. */
export type Sent =
  | { response: ShopResponse; milliseconds: number; answeredAt: number }
  | { unreachable: ShopUnreachable; milliseconds: number; endedAt: number }
  | 'not sent'

/** The way to the Shop: the client, the circuit that watches it, and whether anything may leave at all. */
export interface Line {
  flow(): Flow
  /**
   * False once this worker may have been declared dead, or is stopping: nothing may leave any more.
   *
   * @param since `performance.now()`; false also where that has been so for a while since then
   */
  maySend(since?: number): boolean
  /** So many items may be on their way to the Shop at a time, from the claim to the answer. */
  most(): number
  /** So many more may be claimed. */
  room(): number
  /** The item has been claimed; `send` or `notSent` follows. */
  claimed(itemId: string): void
  /** Resolves when its request may be written: it will leave soon. What waits longer has made none. */
  turn(itemId: string): Promise<void>
  /**
   * Asks `maySend` once more just before the first byte.
   *
   * @param since when the request was begun
   */
  send(itemId: string, call: Call, headers: ShopHeaders, since: number): Promise<Sent>
  /** The item was claimed, and no call of it leaves after all. */
  notSent(itemId: string): void
}

/** What a Shop is told that says "wait": by this worker or another one (decision 21). */
export interface Pacer {
  /** How often it has been said; what was claimed before the last time does not leave any more. */
  readonly said: number
  /** It has been said to a call that left at that time. */
  refused(leftAt: number, waitSeconds: number | null): void
}

export interface LineOptions {
  shop: ShopClient
  circuit: Circuit
  limiter: Limiter
  pace: Pacer
  flow(): Flow
  maySend(since?: number): boolean
  /** There is room for another item. */
  onRoom(): void
}

/** So long before it leaves an item is claimed, and its request written: what each takes, and to spare. */
const CLAIMED_SECONDS = 0.25
const MADE_SECONDS = 0.1

/**
 * Beside what is on the wire as much has been claimed as the Shop takes in a quarter of a second, and has its request
 * written as it takes in a tenth, at least once as much again. More would lie in this worker while another one could
 * send it; and of a request that is written nobody can tell, when this worker dies, whether it has left.
 */
export function createLine({ shop, circuit, limiter, pace, flow, maySend, onRoom }: LineOptions): Line {
  /** Claimed; with how often the Shop had said "wait" by then. */
  const coming = new Map<string, number>()
  const made = new Set<string>()
  const waiting: { itemId: string; go(): void }[] = []
  const within = (seconds: number) => limiter.limit + Math.max(limiter.limit, Math.floor(limiter.perSecond * seconds))
  const most = () => within(CLAIMED_SECONDS)

  function callUp(): void {
    for (let room = within(MADE_SECONDS) - made.size; room > 0 && waiting.length > 0; room--) {
      const { itemId, go } = waiting.shift()!
      made.add(itemId)
      go()
    }
  }

  function gone(itemId: string): void {
    made.delete(itemId)
    callUp()
    if (coming.delete(itemId)) onRoom()
  }
  const isTaken = (itemId: string) => circuit.passes(itemId) && (coming.get(itemId) ?? 0) >= pace.said

  return {
    flow,
    maySend,
    most,
    room: () => most() - coming.size,
    claimed(itemId) {
      coming.set(itemId, pace.said)
      circuit.started(itemId)
    },
    notSent(itemId) {
      circuit.notSent(itemId)
      gone(itemId)
    },
    turn: (itemId) =>
      new Promise((go) => {
        waiting.push({ itemId, go })
        callUp()
      }),
    async send(itemId, call, headers, since) {
      const sentAt = performance.now()
      try {
        if (!isTaken(itemId)) throw new NotSent('The Shop takes no calls.')
        const response = await shop.send(call, headers, () => maySend(since) && isTaken(itemId))
        const answeredAt = performance.now()
        if (response.saysWait) pace.refused(response.leftAt, response.waitSeconds)
        if (isGatewayError(response.httpStatus) && !response.saysWait) circuit.unreachable(itemId)
        else circuit.answered()
        return { response, milliseconds: answeredAt - response.leftAt, answeredAt }
      } catch (error) {
        if (error instanceof NotSent) {
          circuit.notSent(itemId)
          return 'not sent'
        }
        if (!(error instanceof ShopUnreachable)) throw error
        circuit.unreachable(itemId)
        const endedAt = performance.now()
        return { unreachable: error, milliseconds: endedAt - (error.leftAt ?? sentAt), endedAt }
      } finally {
        gone(itemId)
      }
    },
  }
}
