import type { Flow } from '../domain/statuses.ts'
import type { Call } from './call.ts'
import { type Circuit, isGatewayError } from './circuit.ts'
import { NotSent, type ShopClient, type ShopHeaders, type ShopResponse, ShopUnreachable } from './client.ts'

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
  /**
   * Asks `maySend` once more just before the first byte.
   *
   * @param since when the request was begun
   */
  send(itemId: string, call: Call, headers: ShopHeaders, since: number): Promise<Sent>
  /** The item was claimed, and no call of it leaves after all. */
  notSent(itemId: string): void
}

export interface LineOptions {
  shop: ShopClient
  circuit: Circuit
  flow(): Flow
  maySend(since?: number): boolean
}

export const createLine = ({ shop, circuit, flow, maySend }: LineOptions): Line => ({
  flow,
  maySend,
  notSent: (itemId) => circuit.notSent(itemId),
  async send(itemId, call, headers, since) {
    const sentAt = performance.now()
    try {
      const response = await shop.send(call, headers, () => maySend(since))
      const answeredAt = performance.now()
      if (isGatewayError(response.httpStatus)) circuit.unreachable(itemId)
      else circuit.answered()
      return { response, milliseconds: answeredAt - sentAt, answeredAt }
    } catch (error) {
      if (error instanceof NotSent) {
        circuit.notSent(itemId)
        return 'not sent'
      }
      if (!(error instanceof ShopUnreachable)) throw error
      circuit.unreachable(itemId)
      const endedAt = performance.now()
      return { unreachable: error, milliseconds: endedAt - sentAt, endedAt }
    }
  },
})
