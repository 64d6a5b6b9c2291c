import { STATUSES } from '../../domain/statuses.ts'
import { WINDOW_NAMES } from '../../domain/windows.ts'
import { readCharts } from '../../read/charts.ts'
import { answer, type InternalApiOptions, route, routes } from './context.ts'
import { chartsQuery, chartsSchema } from './schemas.ts'
import { sparing } from './sparing.ts'

const iso = (times: readonly Date[]): string[] => times.map((time) => time.toISOString())

/** How the queue, the share that is Synced and the calls went over time. */
export function chartRoutes({ readSql }: InternalApiOptions) {
  const charts = new Map(WINDOW_NAMES.map((window) => [window, sparing(() => readCharts(readSql, window))]))
  return routes().openapi(
    route({
      method: 'get',
      path: '/api/charts',
      summary: 'The queue by status, the share that is Synced, and the calls over time',
      request: { query: chartsQuery },
      responses: { 200: answer('One entry a point in time, the oldest first', chartsSchema) },
    }),
    async (c) => {
      const { window } = c.req.valid('query')
      const { queue, synced, calls, shares } = await charts.get(window)!()
      return c.json(
        {
          window,
          queue: {
            times: iso(queue.times),
            byStatus: queue.byStatus.map((row) => ({ ...row, label: STATUSES[row.status].label })),
          },
          synced: { ...synced, times: iso(synced.times) },
          calls: { ...calls, times: iso(calls.times) },
          shares,
        },
        200,
      )
    },
  )
}
