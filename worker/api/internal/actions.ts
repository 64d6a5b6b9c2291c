import { z } from '@hono/zod-openapi'
import { previewRun } from '../../admin/actions.ts'
import { adopt } from '../../admin/adopt.ts'
import type { Asked } from '../../admin/candidates.ts'
import { type RunDetail, readRun } from '../../admin/record.ts'
import { resolveBlocked } from '../../admin/resolve.ts'
import { type Carried, runToEnd } from '../../admin/runs.ts'
import type { Sql } from '../../database/database.ts'
import type { Refusal } from '../../domain/reasons.ts'
import { CONDITIONS, REFUSAL_SENTENCES, REQUEUE_INCLUDES, type RequeueInclude } from '../../domain/requeue.ts'
import type { RunResult } from '../../domain/run.ts'
import { type Status, statusesOf } from '../../domain/statuses.ts'
import type { Step } from '../../domain/step.ts'
import type { Topic } from '../../domain/topics.ts'
import { locate, readItem, type Selection } from '../../read/items.ts'
import { Problem } from '../problem.ts'
import { answer, CONFLICT, type InternalApiOptions, json, NOT_FOUND, route, routes, UNPROCESSABLE } from './context.ts'
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
export function actionRoutes({ sql, onQueued, onSteps, onRequeue }: InternalApiOptions) {
  function tell(steps: readonly Step[]): void {
    if (steps.length === 0) return
    onQueued()
    onSteps?.(steps)
  }
  function follow({ steps, byTopic }: Carried): void {
    tell(steps)
    onRequeue?.(byTopic)
  }
  return routes()
    .openapi(
      route({
        method: 'post',
        path: '/api/requeue',
        summary: 'Requeue whole product sets ("Reupload to Shop")',
        request: { body: json(requeueBody) },
        responses: { 200: answer('What was done, or, in a dry run, what would be', requeuedSchema) },
      }),
      async (c) => {
        const { dryRun, ...body } = c.req.valid('json')
        const asked = await askedOf(sql, body)
        if (dryRun) {
          const preview = await previewRun(sql, 'requeue', asked)
          return c.json({ dryRun, runId: null, ...numbersOf(preview), complete: preview.complete }, 200)
        }
        const run = { kind: 'requeue' as const, ...asked, reason: body.reason ?? null, previewed: null }
        const runId = await runToEnd(sql, run, c.var.actor, follow)
        return c.json({ dryRun, runId, ...numbersOf((await readRun(sql, runId))!), complete: true }, 200)
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
        const body = c.req.valid('json')
        const asked = await askedOf(sql, { include: ['blocked'], ...body, force: false, mayCreateTwice: false })
        const run = { kind: 'creations' as const, ...asked, reason: body.reason ?? null, previewed: null }
        const runId = await runToEnd(sql, run, c.var.actor, follow)
        onQueued()
        const { productSets, taken } = (await readRun(sql, runId))!
        return c.json({ runId, queued: productSets, items: taken }, 200)
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/items/{id}/resolve',
        summary: 'Decide about an item that is Blocked until an admin does',
        request: { params: z.object({ id }), body: json(resolveBody) },
        responses: { 200: answer('What the item is now', resolvedSchema), ...NOT_FOUND, ...CONFLICT, ...UNPROCESSABLE },
      }),
      async (c) => {
        const itemId = c.req.valid('param').id
        const { action, srcId, shopSku, setSrcId = null, productId = null, ...decision } = c.req.valid('json')
        if (action === 'adopt') {
          const { reason } = decision
          const ids = { srcId: srcId!, shopSku: shopSku!, setSrcId, productId }
          const adopted = await adopt(sql, { itemId, ...ids, reason, actor: c.var.actor })
          if (adopted === null) throw await notToDecide(sql, itemId)
          if ('conflict' in adopted) throw new Problem(409, adopted.conflict)
          if ('field' in adopted) throw new Problem(422, `${adopted.field}: ${adopted.message}`, { errors: [adopted] })
          const { steps, status, missing } = adopted
          tell(steps)
          return c.json({ itemId, action, status, missing }, 200)
        }
        const resolved = await resolveBlocked(sql, { itemId, action, ...decision, actor: c.var.actor })
        if ('refused' in resolved) {
          const { refused } = resolved
          const isCondition = (CONDITIONS as readonly Refusal[]).includes(refused)
          const field = refused === 'may_create_twice' ? 'mayCreateTwice' : isCondition ? 'force' : null
          const errors = field === null ? [] : [{ field, message: 'is needed to send it all the same' }]
          throw new Problem(409, REFUSAL_SENTENCES[refused], { errors })
        }
        const { steps } = resolved
        const [step] = steps
        if (!step) throw await notToDecide(sql, itemId)
        tell(steps)
        return c.json({ itemId, action, status: step.to, missing: [] }, 200)
      },
    )
}

async function notToDecide(sql: Sql, itemId: string): Promise<Problem> {
  const item = await readItem(sql, itemId)
  if (!item) return noSuchItem(itemId)
  const where = item.live ? '' : 'no longer in the queue and '
  return new Problem(409, `Item ${itemId} is ${where}not one for an admin to decide: ${stands(item)}.`)
}

interface SeveralBody {
  itemIds?: string[] | undefined
  productSetIds?: string[] | undefined
  productIds?: string[] | undefined
  filter?: Selection | undefined
  include?: RequeueInclude[] | undefined
  topics?: Topic[] | undefined
  force: boolean
  mayCreateTwice: boolean
}

/**
 * What the body of a request asks for.
 *
 * @throws Problem if a search finds more than was looked up
 */
export async function askedOf(
  sql: Sql,
  { itemIds, productSetIds, productIds, filter = {}, include, topics = [], force, mayCreateTwice }: SeveralBody,
): Promise<Asked> {
  if (filter.q !== undefined) whole(await locate(sql, filter), 'filter.q')
  return {
    target: itemIds ? { itemIds } : productSetIds ? { productSetIds } : productIds ? { productIds } : { filter },
    include: include ?? includedBy(filter),
    topics,
    force,
    mayCreateTwice,
  }
}

/** Filtering for Delayed or Blocked items and requeueing the result means those items. */
function includedBy({ tab, status }: Selection): RequeueInclude[] {
  const asked: readonly Status[] = status !== undefined ? statusesOf({ tab, status }) : tab !== undefined ? [tab] : []
  return [...new Set(['failed' as const, ...REQUEUE_INCLUDES.filter((name) => asked.includes(name))])]
}

const numbersOf = ({ taken, skipped, ...rest }: RunResult & Pick<RunDetail, 'skipped'>) => ({
  requeued: taken,
  productSets: rest.productSets,
  variations: rest.variations,
  firstProductSets: rest.firstProductSets,
  skipped: skipped.flatMap(({ itemId, reason }) => (itemId === null ? [] : [{ itemId, reason }])),
  skippedTotal: rest.skippedTotal,
  skippedByReason: rest.skippedByReason,
  blockedAgain: rest.blockedAgain,
  uncreatedSets: rest.uncreatedSets,
})

const stands = ({ status, reason }: { status: string; reason: string | null }): string =>
  `status ${status}${reason === null ? '' : `, reason ${reason}`}`
