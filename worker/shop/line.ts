import { type Claim, claimKey } from '../domain/item.ts'
import type { Flow } from '../domain/statuses.ts'
import type { Call } from './call.ts'
import { type Circuit, isGatewayError } from './circuit.ts'
import { NotSent, type ShopClient, type ShopHeaders, type ShopResponse, ShopUnreachable } from './client.ts'
import type { Limiter } from './limiter.ts'

/** Why nothing of an item leaves: this worker may not send, the circuit is not closed, or the Shop has said "wait". */
export type Hindrance = 'worker_stopped' | 'shop_away' | 'shop_busy'

/** What came of a call. Times are of `performance.now()`. `hindrance`: nothing has left. */
export type Sent =
  | { response: ShopResponse; milliseconds: number; answeredAt: number }
  | { unreachable: ShopUnreachable; milliseconds: number; endedAt: number }
  | { hindrance: Hindrance }

/**
 * The way to the Shop: the client, its circuit, and whether anything may leave at all. It knows claims, not items: a
 * worker may have lost an item, and claimed it again, while its first call is still out.
 */
export interface Line {
  flow(): Flow
  /**
   * False once this worker is stopping or may have been declared dead: nothing may leave any more.
   *
   * @param since `performance.now()`; also false if it was false at any time since then
   */
  maySend(since?: number): boolean
  /** How many items may be on their way to the Shop, from claim to answer. */
  most(): number
  /** How many more may be claimed. */
  room(): number
  /**
   * The item has been claimed; `send` or `notSent` follows.
   *
   * @param said how often the Shop had said "wait" before the claim was asked for
   */
  claimed(claim: Claim, said: number): void
  /**
   * Resolves when its request may be written, because it will leave soon. Until then the item has no request.
   *
   * @param since when work on the request began
   * @returns null, or why it will not leave
   */
  turn(claim: Claim, since: number): Promise<Hindrance | null>
  /**
   * Asks `maySend` again just before the first byte.
   *
   * @param since when work on the request began
   */
  send(claim: Claim, call: Call, headers: ShopHeaders, since: number): Promise<Sent>
  /** The item was claimed, but no call of it leaves. */
  notSent(claim: Claim): void
}

/** Hears of a Shop that says "wait", to this worker or another one (decision 21). */
export interface Pacer {
  /** How often it was said. Items claimed before the last time do not leave any more. */
  readonly said: number
  /** It was said to a call that left at `leftAt`. */
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

/** How long before its call leaves an item is claimed, and its request written: what each step takes, plus a margin. */
const CLAIMED_SECONDS = 0.25
const MADE_SECONDS = 0.1

/**
 * Beyond the calls on the wire, items are claimed for a quarter of a second of what the Shop takes, and requests
 * written for a tenth, but at least as many of each as may be on the wire. More would wait here while another worker
 * could send it. And if this worker dies, nobody can tell whether a written request has left.
 */
export function createLine({ shop, circuit, limiter, pace, flow, maySend, onRoom }: LineOptions): Line {
  /** Claimed items, each with how often the Shop had said "wait" before. */
  const coming = new Map<string, number>()
  const made = new Set<string>()
  const waiting: { key: string; go(): void }[] = []
  const within = (seconds: number) => limiter.limit + Math.max(limiter.limit, Math.floor(limiter.perSecond * seconds))
  const most = () => within(CLAIMED_SECONDS)

  function callUp(): void {
    for (let room = within(MADE_SECONDS) - made.size; room > 0 && waiting.length > 0; room--) {
      const { key, go } = waiting.shift()!
      made.add(key)
      go()
    }
  }

  function gone(claim: Claim): void {
    made.delete(claimKey(claim))
    callUp()
    if (coming.delete(claimKey(claim))) onRoom()
  }
  function hindrance(claim: Claim, since: number): Hindrance | null {
    if (!maySend(since)) return 'worker_stopped'
    if (!circuit.passes(claim)) return 'shop_away'
    return (coming.get(claimKey(claim)) ?? 0) < pace.said ? 'shop_busy' : null
  }

  return {
    flow,
    maySend,
    most,
    room: () => most() - coming.size,
    claimed(claim, said) {
      coming.set(claimKey(claim), said)
      circuit.started(claim)
    },
    notSent(claim) {
      circuit.notSent(claim)
      gone(claim)
    },
    turn: (claim, since) =>
      new Promise((go) => {
        waiting.push({ key: claimKey(claim), go: () => go(hindrance(claim, since)) })
        callUp()
      }),
    async send(claim, call, headers, since) {
      const sentAt = performance.now()
      try {
        const mayLeave = () => hindrance(claim, since) === null
        if (!mayLeave()) throw new NotSent('It may not leave any more.')
        const response = await shop.send(call, headers, mayLeave)
        const answeredAt = performance.now()
        if (response.saysWait) pace.refused(response.leftAt, response.waitSeconds)
        if (isGatewayError(response.httpStatus) && !response.saysWait)
          circuit.unreachable(claim, `HTTP ${response.httpStatus}`)
        else circuit.answered()
        return { response, milliseconds: answeredAt - response.leftAt, answeredAt }
      } catch (error) {
        if (error instanceof NotSent) {
          // The line to the Shop may be free again since it was turned away: it had too many calls then.
          const why = hindrance(claim, since) ?? 'shop_busy'
          circuit.notSent(claim)
          return { hindrance: why }
        }
        if (!(error instanceof ShopUnreachable)) throw error
        // a probe that is turned away has found no Shop
        if (!error.turnedAway || circuit.state !== 'closed') circuit.unreachable(claim, error.message)
        const endedAt = performance.now()
        return { unreachable: error, milliseconds: endedAt - (error.leftAt ?? sentAt), endedAt }
      } finally {
        gone(claim)
      }
    },
  }
}
