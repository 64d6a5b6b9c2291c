import { z } from '@hono/zod-openapi'
import { createPause, endPause, type Pause, readPauses } from '../../admin/pauses.ts'
import { LONGEST_PAUSE_DAYS } from '../../domain/pause.ts'
import { findSeller } from '../../read/scope.ts'
import { Problem } from '../problem.ts'
import { answer, CONFLICT, type InternalApiOptions, json, route, routes, UNPROCESSABLE } from './context.ts'
import { id, pauseBody, pauseSchema, pausesSchema } from './schemas.ts'

/** What people have paused. Read from the primary, because a replica may lag. */
export const pauseRoutes = ({ sql, log }: InternalApiOptions) =>
  routes()
    .openapi(
      route({
        method: 'get',
        path: '/api/pauses',
        summary: 'What is paused, what is planned to be, and what was last',
        responses: { 200: answer('The pauses', pausesSchema) },
      }),
      async (c) => c.json({ pauses: (await readPauses(sql)).map(pauseToJson) }, 200),
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/pauses',
        summary: 'Pause the sending of everything, of a topic or of a seller, now or later',
        request: { body: json(pauseBody) },
        responses: { 200: answer('The pause; workers follow within two seconds', pauseSchema), ...UNPROCESSABLE },
      }),
      async (c) => {
        const { topic = null, seller, from = null, ...rest } = c.req.valid('json')
        const refuse = (field: string, message: string) =>
          new Problem(422, `${field}: ${message}`, { errors: [{ field, message }] })
        const wrong = misplaced(from, rest.until)
        if (wrong !== null) throw refuse('until', wrong)
        const [sellerId = null, ...namesakes] = seller === undefined ? [] : (await findSeller(sql, seller)).sellerIds
        if (seller !== undefined && sellerId === null) throw refuse('seller', `there is no seller ${seller}`)
        if (namesakes.length > 0) throw refuse('seller', `several sellers have the name ${seller}; give an id`)
        const pause = pauseToJson(await createPause(sql, { topic, sellerId, from, ...rest }, c.var.actor))
        log.info({ 'event.name': 'pause_set', pause, actor: c.var.actor.name }, 'A pause has been set')
        return c.json(pause, 200)
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/pauses/{id}/end',
        summary: 'End a pause now, whether in force or planned',
        request: { params: z.object({ id }) },
        responses: { 200: answer('The pause', pauseSchema), ...CONFLICT },
      }),
      async (c) => {
        const { id } = c.req.valid('param')
        const pause = await endPause(sql, id, c.var.actor)
        if (pause === null) throw new Problem(409, `There is no pause ${id} that is in force or planned.`)
        log.info({ 'event.name': 'pause_ended', pause: id, actor: c.var.actor.name }, 'A pause has been ended')
        return c.json(pauseToJson(pause), 200)
      },
    )

/** @returns what is wrong with the end of a pause */
function misplaced(from: string | null, until: string): string | null {
  const begins = Math.max(Date.now(), from === null ? 0 : Date.parse(from))
  if (Date.parse(until) <= begins) return 'is not after the beginning, or has passed'
  return Date.parse(until) > begins + LONGEST_PAUSE_DAYS * DAY_MS
    ? `is more than ${LONGEST_PAUSE_DAYS} days after the beginning`
    : null
}
const DAY_MS = 86_400_000

const pauseToJson = ({ from, until, createdAt, endedAt, ...pause }: Pause) => ({
  ...pause,
  from: from.toISOString(),
  until: until.toISOString(),
  createdAt: createdAt.toISOString(),
  endedAt: endedAt?.toISOString() ?? null,
})
