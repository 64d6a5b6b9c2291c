import { z } from '@hono/zod-openapi'
import { hasOrder } from '../../domain/orders.ts'
import type { Position, Selection, Sort } from '../../read/items.ts'
import type { ChangePosition } from '../../read/set-changes.ts'
import { Problem } from '../problem.ts'

/**
 * The order of a list: the requested one if this list supports it. The default is oldest first for Pending (stuck items
 * are at the top) and newest first for all others.
 *
 * @throws Problem for an order that this list does not support
 */
export function sortOf(selection: Selection, sort: string | undefined): Sort {
  if (sort === undefined) return { key: 'queuedAt', descending: (selection.tab ?? selection.status) !== 'pending' }
  const key = sort.replace(/^-/, '') as Sort['key']
  if (!hasOrder(key, selection)) {
    const message =
      key === 'statusAt'
        ? 'statusAt is an order of lists without Pending and Synced items'
        : 'nextAttemptAt is an order of Delayed and Failed items only'
    throw new Problem(400, `sort: ${message}`, { errors: [{ field: 'sort', message }] })
  }
  return { key, descending: sort.startsWith('-') }
}

const cursorSchema = z.strictObject({
  key: z.string(),
  descending: z.boolean(),
  value: z.string().nullable(),
  id: z.string().regex(/^\d{1,18}$/),
})
const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$/
/** As PostgreSQL prints it, to the microsecond. `Date` would read the 30th of February as the 2nd of March. */
function isTime(text: string): boolean {
  if (text === 'infinity') return true
  const at = new Date(text.replace('+00', 'Z').replace(' ', 'T'))
  return (
    TIME.test(text) &&
    !Number.isNaN(at.getTime()) &&
    at.getUTCFullYear() >= 1 &&
    at.toISOString().startsWith(text.slice(0, 10))
  )
}

/** Opaque to callers; valid only for the order in which it was made. */
export const toCursor = ({ key, descending }: Sort, { value, id }: Position): string =>
  Buffer.from(JSON.stringify({ key, descending, value, id })).toString('base64url')

/** @throws Problem when it is not a cursor of a list in this order */
export function fromCursor(cursor: string, sort: Sort): Position {
  try {
    const { key, descending, value, id } = cursorSchema.parse(decoded(cursor))
    const timed = key === 'statusAt' || key === 'nextAttemptAt'
    if (key === sort.key && descending === sort.descending && (timed ? isTime(value ?? '') : value === null))
      return { value, id }
  } catch {
    // reported below, whatever it was
  }
  throw noCursor('is not the nextCursor of a list in this order')
}

const changeCursorSchema = z.strictObject({ ended: z.string().refine(isTime), id: cursorSchema.shape.id })

/** Of the changes of a product set. */
export const toChangeCursor = (position: ChangePosition): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url')

/** @throws Problem when it is none */
export function fromChangeCursor(cursor: string): ChangePosition {
  try {
    return changeCursorSchema.parse(decoded(cursor))
  } catch {
    throw noCursor('is not the nextCursor of a timeline')
  }
}

const decoded = (cursor: string): unknown => JSON.parse(Buffer.from(cursor, 'base64url').toString())
const noCursor = (message: string) => new Problem(400, `cursor: ${message}`, { errors: [{ field: 'cursor', message }] })
