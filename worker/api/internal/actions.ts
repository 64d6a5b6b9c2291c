import { z } from '@hono/zod-openapi'
import { queueCreations, type RequeueTarget, requeue } from '../../admin/requeue.ts'
import { resolveBlocked } from '../../admin/resolve.ts'
import type { Sql } from '../../database/database.ts'
import type { RequeueInclude } from '../../domain/requeue.ts'
import { REQUEUE_INCLUDES } from '../../domain/requeue.ts'
import { locate, readItem, type Selection } from '../../read/items.ts'
import { Problem } from '../problem.ts'
import { answer, CONFLICT, type InternalApiOptions, json, NOT_FOUND, route, routes } from './context.ts'
import { noSuchItem, whole } from './items.ts'
import {
  creationsBody,
  creationsSchema,
  id,
  requeueBody,
  requeuedSchema,
  resolveBody,
  resolvedSchema,
} from './schemas.ts'

/** What an admin does to items. */
export const actionRoutes = ({ sql, onQueued, onSteps, onRequeue }: InternalApiOptions) =>
  routes()
    .openapi(
      route({
        method: 'post',
        path: '/api/requeue',
        summary: 'Requeue whole product sets ("Reupload to Shop")',
        request: { body: json(requeueBody) },
        responses: { 200: answer('What was done, or, in a dry run, what would be', requeuedSchema) },
      }),
      async (c) => {
        const { filter, include, reason, dryRun, ...named } = c.req.valid('json')
        const { byTopic, ...result } = await requeue(sql, {
          target: await targetOf(sql, named, filter),
          include: include ?? includedBy(filter),
          actor: c.var.actor,
          reason: reason ?? null,
          dryRun,
          onSteps: (steps) => {
            onQueued()
            onSteps?.(steps)
          },
        })
        if (!dryRun) onRequeue?.(byTopic)
        return c.json({ dryRun, ...result }, 200)
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/creations',
        summary: 'Queue the creation of product sets that the Shop lacks, so that what waits for it is sent',
        request: { body: json(creationsBody) },
        responses: { 200: answer('What was queued', creationsSchema) },
      }),
      async (c) => {
        const { filter, include, reason, ...named } = c.req.valid('json')
        const result = await queueCreations(sql, {
          target: await targetOf(sql, named, filter),
          include: include ?? ['blocked'],
          actor: c.var.actor,
          reason: reason ?? null,
        })
        onQueued()
        return c.json(result, 200)
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/items/{id}/resolve',
        summary: 'Decide about an item that is Blocked until an admin does',
        request: { params: z.object({ id }), body: json(resolveBody) },
        responses: { 200: answer('What the item is now', resolvedSchema), ...NOT_FOUND, ...CONFLICT },
      }),
      async (c) => {
        const itemId = c.req.valid('param').id
        const { action, reason } = c.req.valid('json')
        const steps = await resolveBlocked(sql, { itemId, action, reason, actor: c.var.actor })
        const [step] = steps
        if (!step) {
          const item = await readItem(sql, itemId)
          if (!item) throw noSuchItem(itemId)
          throw new Problem(
            409,
            `Item ${itemId} is ${item.live ? '' : 'no longer in the queue and '}not one for an admin to decide: ` +
              `${stands(item)}.`,
          )
        }
        onQueued()
        onSteps?.(steps)
        return c.json({ itemId, action, status: step.to }, 200)
      },
    )

/**
 * What the body of a request names.
 *
 * @throws Problem if a search finds more than was looked up
 */
async function targetOf(
  sql: Sql,
  { itemIds, productSetIds }: { itemIds?: string[] | undefined; productSetIds?: string[] | undefined },
  filter: Selection = {},
): Promise<RequeueTarget> {
  if (filter.q !== undefined) whole(await locate(sql, filter), 'filter.q')
  return itemIds ? { itemIds } : productSetIds ? { productSetIds } : { filter }
}

/** Filtering for Delayed or Blocked items and requeueing the result means those items. */
const includedBy = (filter: Selection | undefined): RequeueInclude[] => [
  ...new Set([
    'failed' as const,
    ...REQUEUE_INCLUDES.filter((status) => status === filter?.tab || status === filter?.status),
  ]),
]

const stands = ({ status, reason }: { status: string; reason: string | null }): string =>
  `status ${status}${reason === null ? '' : `, reason ${reason}`}`
