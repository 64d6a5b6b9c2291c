import { acknowledgment, failureRow, finalAnswer, type Result } from '../../demo/shop/answers.ts'
import type { Call as ReceivedCall } from '../../demo/shop/calls.ts'
import { Products } from '../../demo/shop/products.ts'
import { creates, type Topic } from '../../worker/domain/topics.ts'
import type { CallParams } from '../../worker/shop/call.ts'
import { ShopUnreachable } from '../../worker/shop/client.ts'
import type { Sent } from '../../worker/shop/line.ts'
import type { Out } from './rig.ts'

/** What the Shop says on the exchange. */
export const ANSWERS = {
  success: 'success',
  partial: 'success of all but the first product',
  acknowledged: 'an acknowledgment',
  failure: 'a failure',
  unprocessable: 'something that cannot be used',
  unreachable: 'nothing, the call never came',
  lost: 'nothing that arrives, though the call was done',
  conflict: 'success, with the id of another product',
} as const
export type HowAnswered = keyof typeof ANSWERS

/** What it says later. */
export const CALLBACKS = {
  success: 'success',
  failure: 'a failure',
  unprocessable: 'something that cannot be used',
  conflict: 'success, with the id of another product',
} as const
export type HowCalledBack = keyof typeof CALLBACKS

/** The value of the catalogue that a topic reports. */
export type Field = 'price' | 'stock' | 'consignment' | 'description' | 'images'
export const FIELDS: Record<Topic, Field> = {
  content: 'description',
  images: 'images',
  new_product_set: 'description',
  price: 'price',
  stock: 'stock',
  status: 'description',
  consignment_stock: 'consignment',
  qc_status: 'description',
  new_product: 'description',
}

/** A call as the Shop sees it. */
export interface ShopCall extends Out {
  /** In the order in which they left. */
  number: number
  topic: Topic
  /** Its values, by the Shop's id of the product or set, or by position in a create. */
  carries: number[]
  /** The products or the set that it is about, by our ids. */
  subjects: string[]
  /** The exchange is over. */
  isAnswered: boolean
  /** Its worker was silent for a lease: others may have taken its item. */
  isAbandoned: boolean
  /** Its effect; null: none yet. */
  done: Result | null
  /** Complete success has been reported. */
  isTold: boolean
}

type Values = Partial<Record<Field, { by: number; value: number }>>

/**
 * The Shop. It processes calls in the order in which they left, whatever it says about them and when. Its state of a
 * product comes from the last processed call about it.
 */
export class ModelShop {
  #products = new Products({ product: 700_001, config: 800_001 })
  /** By the Shop's id. */
  readonly has = new Map<string, Values>()

  #perform(call: ShopCall, firstFails: boolean): Result {
    if (call.done) return call.done
    const received = JSON.parse(call.call.json) as ReceivedCall
    const done = this.#products.process(received, (position, count) => firstFails && count > 1 && position === 0, {
      lenient: true,
      keepFields: false,
    })
    if ('error' in done) throw new Error(`The Shop did not understand ${call.call.json}`)
    call.done = done.result
    if (Array.isArray(done.result)) {
      for (const [place, row] of done.result.entries())
        if (row.status === 'success') this.#keep(row.product.id, call, received.params.productsInfo![place]!)
    } else this.#keep(`set ${done.result.productSetSrcId}`, call, { images: call.carries[0] })
    return done.result
  }

  #keep(id: string, { number, topic }: ShopCall, brought: Record<string, unknown>): void {
    const { quantity } = brought
    const values: Partial<Record<Field, unknown>> =
      quantity === undefined
        ? { price: brought.price, stock: brought.stock, description: brought.description, images: brought.images }
        : { [FIELDS[topic]]: quantity }
    const has: Values = this.has.get(id) ?? {}
    this.has.set(id, has)
    for (const [field, value] of Object.entries(values) as [Field, unknown][]) {
      if (value === undefined || value === null || (has[field] && has[field].by > number)) continue
      has[field] = { by: number, value: Number(value) }
    }
  }

  /** @param otherId the id of another product, for `conflict` */
  answer(call: ShopCall, how: HowAnswered, otherId: string): Sent {
    const response = (httpStatus: number, body: unknown): Sent => ({
      response: {
        httpStatus,
        body: JSON.stringify(body),
        movedTo: null,
        saysWait: false,
        waitSeconds: null,
        leftAt: performance.now(),
        release() {},
      },
      milliseconds: 1,
      answeredAt: performance.now(),
    })
    const final = (result: unknown) => response(200, [finalAnswer(call.call.requestId, result)])
    const nothing = (): Sent => ({
      unreachable: new ShopUnreachable('timeout', 'The Shop did not answer.'),
      milliseconds: 1,
      endedAt: performance.now(),
    })
    switch (how) {
      case 'acknowledged':
        return response(200, [acknowledgment(call.call.requestId)])
      case 'unreachable':
        return nothing()
      case 'lost':
        this.#perform(call, false)
        return nothing()
      default:
        return final(this.#say(call, how, otherId))
    }
  }

  callBack(call: ShopCall, how: HowCalledBack, otherId: string): unknown {
    return this.#say(call, how, otherId)
  }

  #say(call: ShopCall, how: 'success' | 'partial' | 'failure' | 'unprocessable' | 'conflict', otherId: string) {
    switch (how) {
      case 'failure':
        return refusalOf(call)
      case 'unprocessable':
        return { product: 'garbage' }
      case 'conflict': {
        const done = this.#perform(call, false)
        return Array.isArray(done)
          ? done.map((row) => (row.status === 'success' ? { ...row, product: { ...row.product, id: otherId } } : row))
          : { ...done, productSetSrcId: Number(otherId) }
      }
      default: {
        const done = this.#perform(call, how === 'partial')
        call.isTold ||= !Array.isArray(done) || done.every(({ status }) => status === 'success')
        return done
      }
    }
  }
}

const refusalOf = ({ call: { params } }: ShopCall) =>
  'productsInfo' in params ? params.productsInfo.map(() => failureRow('refused')) : failureRow('refused')

/** The values in a call, one per product; an image collection has one value. */
export function carriedBy(topic: Topic, params: CallParams): number[] {
  if (!('productsInfo' in params)) return [Number(params.images[0]?.hash ?? 0)]
  return params.productsInfo.map((info) => {
    if ('quantity' in info) return Number(info.quantity)
    if ('description' in info && !(FIELDS[topic] === 'price')) return Number(info.description)
    return Number(info.price)
  })
}

/** The products or the set that a call is about. */
export const subjectsOf = (topic: Topic, params: CallParams, ofItem: { productId: string | null; setId: string }) =>
  creates(topic) && 'productsInfo' in params
    ? params.productsInfo.map((info) => `product ${'id_catalog_product' in info ? info.id_catalog_product : '?'}`)
    : [ofItem.productId === null ? `set ${ofItem.setId}` : `product ${ofItem.productId}`]
