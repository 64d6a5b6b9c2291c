import { z } from '@hono/zod-openapi'
import { previewRun } from '../../admin/actions.ts'
import { type Entry, type RunDetail, type RunRow, readEntries, readOpenRuns, readRun } from '../../admin/record.ts'
import { startRun, stopRun } from '../../admin/runs.ts'
import type { RequeueInclude } from '../../domain/requeue.ts'
import type { RunKind } from '../../domain/run.ts'
import { Problem } from '../problem.ts'
import { askedOf } from './actions.ts'
import { answer, CONFLICT, type InternalApiOptions, json, NOT_FOUND, route, routes } from './context.ts'
import {
  ENTRIES_A_PAGE,
  id,
  previewBody,
  previewSchema,
  recordQuery,
  recordSchema,
  runBody,
  runSchema,
} from './schemas.ts'

/** Actions on many items, and the record of all that was done by hand. Read from the primary: a replica may lag. */
export const runRoutes = ({ sql, log }: InternalApiOptions) =>
  routes()
    .openapi(
      route({
        method: 'get',
        path: '/api/runs',
        summary: 'Runs under way, and the record of what was done by hand. For admins',
        request: { query: recordQuery },
        responses: { 200: answer('The record', recordSchema) },
      }),
      async (c) => {
        const { cursor = null, ...filter } = c.req.valid('query')
        const [underWay, entries] = await Promise.all([
          readOpenRuns(sql),
          readEntries(sql, filter, cursor, ENTRIES_A_PAGE + 1),
        ])
        const shown = entries.slice(0, ENTRIES_A_PAGE)
        const nextCursor = entries.length > shown.length ? shown.at(-1)!.id : null
        return c.json({ underWay: underWay.map(runToJson), entries: shown.map(entryToJson), nextCursor }, 200)
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/runs',
        summary: 'Begin an action on many items; workers carry it out, whoever stays or goes',
        request: { body: json(runBody) },
        responses: { 200: answer('The run, which has just begun', runSchema) },
      }),
      async (c) => {
        const { kind, reason = null, previewed = null, ...body } = c.req.valid('json')
        const asked = await askedOf(sql, { ...INCLUDED[kind], ...body })
        const runId = await startRun(sql, { kind, ...asked, reason, previewed }, c.var.actor)
        log.info({ 'event.name': 'shop_update.run', run: runId, kind, state: 'begun' }, 'A run has begun')
        return c.json(detailToJson((await readRun(sql, runId))!), 200)
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/runs/preview',
        summary: 'What a run would do: how many it takes, what it leaves alone, and why',
        request: { body: json(previewBody) },
        responses: { 200: answer('The numbers', previewSchema) },
      }),
      async (c) => {
        const { kind, reason: _, ...body } = c.req.valid('json')
        const asked = await askedOf(sql, { ...INCLUDED[kind], ...body })
        return c.json({ kind, ...(await previewRun(sql, kind, asked)) }, 200)
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/runs/{id}',
        summary: 'One run: how far it is, and what came of it',
        request: { params: z.object({ id }) },
        responses: { 200: answer('The run', runSchema), ...NOT_FOUND },
      }),
      async (c) => {
        const run = await readRun(sql, c.req.valid('param').id)
        if (!run) throw noSuchRun(c.req.valid('param').id)
        return c.json(detailToJson(run), 200)
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/runs/{id}/stop',
        summary: 'Stop a run; what it has done stays done',
        request: { params: z.object({ id }) },
        responses: { 200: answer('The run', runSchema), ...NOT_FOUND, ...CONFLICT },
      }),
      async (c) => {
        const { id } = c.req.valid('param')
        const stopped = await stopRun(sql, id, c.var.actor)
        const run = await readRun(sql, id)
        if (!run) throw noSuchRun(id)
        if (!stopped) throw new Problem(409, `Run ${id} has ended already.`)
        log.info(
          { 'event.name': 'shop_update.run', run: id, kind: run.kind, state: 'stopped' },
          'A run has been stopped',
        )
        return c.json(detailToJson(run), 200)
      },
    )

/** The statuses that are included where none are named; of a requeue the filter says them. */
const INCLUDED: Record<RunKind, { include?: RequeueInclude[] }> = {
  requeue: {},
  creations: { include: ['blocked'] },
  discard: { include: [] },
  send: { include: [] },
}

const noSuchRun = (id: string): Problem =>
  new Problem(404, `There is no run ${id}.`, { errors: [{ field: 'id', message: 'is no run' }] })

const runToJson = ({ createdAt, progressedAt, endedAt, ...run }: RunRow) => ({
  ...run,
  createdAt: createdAt.toISOString(),
  progressedAt: progressedAt.toISOString(),
  endedAt: endedAt?.toISOString() ?? null,
})

const detailToJson = ({ outcome, unread, skipped, ...run }: RunDetail) => ({
  ...runToJson(run),
  outcome,
  unread,
  skipped,
})

const entryToJson = ({ at, ...entry }: Entry) => ({ ...entry, at: at.toISOString() })
