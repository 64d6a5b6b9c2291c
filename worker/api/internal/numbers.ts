import { z } from '@hono/zod-openapi'
import { streamSSE } from 'hono/streaming'
import { readFlowSetting } from '../../admin/settings.ts'
import { incidentMeaning, incidentTitle } from '../../domain/incident.ts'
import { STATUSES } from '../../domain/statuses.ts'
import { TOPICS } from '../../domain/topics.ts'
import { readKpis } from '../../read/kpis.ts'
import { readMadeUpUntil } from '../../read/made-up.ts'
import { readShop } from '../../read/shop.ts'
import { readSummary } from '../../read/summary.ts'
import { loggable } from '../problem.ts'
import { answer, type InternalApiOptions, route, routes } from './context.ts'
import { createFeed } from './feed.ts'
import { incidentsSchema, type Kpis, kpisSchema, type Summary, summarySchema } from './schemas.ts'
import { sparing } from './sparing.ts'

/** The numbers above the queue, the Sync KPI, and what is wrong with the whole. */
export function numberRoutes({ readSql, blocked, situation, config, log, eventsEveryMs = 2000 }: InternalApiOptions) {
  async function summary(): Promise<Summary> {
    const [numbers, { toResolve, stranded }, flow, { busy, ...calls }, madeUpUntil] = await Promise.all([
      readSummary(readSql),
      blocked(),
      readFlowSetting(readSql, config.LEASE_SECONDS),
      readShop(readSql, config.LEASE_SECONDS),
      readMadeUpUntil(readSql),
    ])
    return {
      ...numbers,
      toResolve: toResolve.map(({ reason, n }) => ({ reason, count: n })),
      stranded,
      byStatus: numbers.byStatus.map(({ oldestAt, ...row }) => ({
        ...row,
        label: STATUSES[row.status].label,
        oldestAt: oldestAt?.toISOString() ?? null,
      })),
      byTopic: numbers.byTopic.map((row) => ({ ...row, label: TOPICS[row.topic].label })),
      flow,
      madeUpUntil: madeUpUntil?.toISOString() ?? null,
      shop: {
        ...calls,
        busy: busy && {
          since: busy.since.toISOString(),
          waitUntil: busy.waitUntil?.toISOString() ?? null,
          perSecond: busy.perSecond,
        },
      },
      retries: { most: config.MAX_RETRIES, failedAfter: config.FAILED_AFTER, unitSeconds: config.RETRY_UNIT_SECONDS },
    }
  }
  const feed = createFeed(summary, eventsEveryMs, (error) =>
    log.warn(
      { err: loggable(error) },
      'The numbers for open pages could not be read; pages keep showing the last ones',
    ),
  )

  const kpis = sparing(
    async () => Object.fromEntries((await readKpis(readSql)).map(({ window, ...kpi }) => [window, kpi])) as Kpis,
  )

  return routes()
    .openapi(
      route({
        method: 'get',
        path: '/api/summary',
        summary: 'The numbers on top of the queue',
        responses: { 200: answer('The numbers now', summarySchema) },
      }),
      async (c) => c.json(await summary(), 200),
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/incidents',
        summary: 'What is wrong now with the whole or much of it, the most important first',
        responses: { 200: answer('The incidents', incidentsSchema) },
      }),
      async (c) => {
        const { incidents } = await situation()
        return c.json(
          {
            incidents: incidents.map(({ since, nextAt, ...incident }) => ({
              ...incident,
              since: since?.toISOString() ?? null,
              nextAt: nextAt?.toISOString() ?? null,
              title: incidentTitle(incident),
              meaning: incidentMeaning(incident),
            })),
          },
          200,
        )
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/kpis',
        summary: 'The Sync KPI by window',
        responses: { 200: answer('One entry a window', kpisSchema) },
      }),
      async (c) => c.json(await kpis(), 200),
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/events',
        summary: 'The numbers as server-sent events, at once and every two seconds',
        responses: {
          200: {
            description: 'Events named `summary`, each with a Summary as JSON',
            content: { 'text/event-stream': { schema: z.string() } },
          },
        },
      }),
      (c) => {
        // A response to HEAD has no body, so it would never learn that the client has gone.
        if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
        return streamSSE(
          c,
          (stream) =>
            new Promise<void>((resolve) => {
              let writing = false
              const leave = feed.join(async (numbers) => {
                if (writing) return // a slow reader gets the newest numbers, not all of them
                writing = true
                await stream.writeSSE({ event: 'summary', data: JSON.stringify(numbers) })
                writing = false
              })
              stream.onAbort(() => {
                leave()
                resolve()
              })
            }),
        )
      },
    )
}
