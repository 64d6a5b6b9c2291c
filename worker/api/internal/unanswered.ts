import { TOPICS } from '../../domain/topics.ts'
import { readUnanswered } from '../../read/unanswered.ts'
import { answer, type InternalApiOptions, route, routes } from './context.ts'
import { unansweredSchema } from './schemas.ts'
import { sparing } from './sparing.ts'

/** What the Shop has acknowledged and not answered for long: it is no failure, so it has no cause. */
export const unansweredRoutes = ({ readSql }: InternalApiOptions) => {
  const unanswered = sparing(() => readUnanswered(readSql))
  return routes().openapi(
    route({
      method: 'get',
      path: '/api/unanswered',
      summary: 'Acknowledged items that have waited for their callback for longer than is usual, by topic',
      responses: { 200: answer('The topic with the most items first', unansweredSchema) },
    }),
    async (c) => {
      const { topics, lastCallbackAt, truncated } = await unanswered()
      return c.json(
        {
          topics: topics.map(({ oldestAt, sinceLastCallback: _, ...row }) => ({
            ...row,
            method: TOPICS[row.topic].method,
            oldestAt: oldestAt.toISOString(),
          })),
          lastCallbackAt: lastCallbackAt?.toISOString() ?? null,
          truncated,
        },
        200,
      )
    },
  )
}
