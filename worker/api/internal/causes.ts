import { NO_ANSWER, whoActs } from '../../domain/cause.ts'
import { explain } from '../../domain/explanations.ts'
import { readCauses } from '../../read/causes.ts'
import { answer, type InternalApiOptions, route, routes } from './context.ts'
import { causesQuery, causesSchema } from './schemas.ts'

/** Why items are Delayed, Failed or Blocked: causes, not rows. */
export const causeRoutes = ({ readSql }: InternalApiOptions) =>
  routes().openapi(
    route({
      method: 'get',
      path: '/api/causes',
      summary: 'Why items are Delayed, Failed or Blocked, each cause once, with how many items and sellers it has',
      request: { query: causesQuery },
      responses: { 200: answer('The hundred with the most items', causesSchema) },
    }),
    async (c) => {
      const { tab = null, q = null } = c.req.valid('query')
      const causes = (await readCauses(readSql, tab, q)).map(({ firstAt, lastAt, ...cause }) => ({
        ...cause,
        httpStatus: cause.httpStatus === NO_ANSWER ? null : cause.httpStatus,
        label: explain(cause.reason).label,
        firstAt: firstAt.toISOString(),
        lastAt: lastAt.toISOString(),
        whoActs: whoActs(cause),
      }))
      return c.json({ causes }, 200)
    },
  )
