import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Alert, Button, useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Item, Run } from '../../../worker/api/internal/schemas.ts'
import type { Refusal } from '../../../worker/domain/reasons.ts'
import { REFUSAL_SENTENCES } from '../../../worker/domain/requeue.ts'
import { OUTCOME_LABELS, OUTCOMES, type Outcome } from '../../../worker/domain/run.ts'
import { useStopRun } from '../api/runs.ts'
import { mayWrite } from '../app.ts'
import { pageUrl } from '../location.ts'
import { counted } from './counted.ts'
import { Link } from './Link.tsx'
import { Problem } from './Problem.tsx'
import { firstSku } from './Sku.tsx'

/** For a stock change: it was skipped, but there is nothing to fix. */
export const WAITS_ON_PURPOSE = 'It waits on purpose and is sent by itself.'

/**
 * How far a run is, and what came of it.
 *
 * @param note what else is to be said of one that is done
 * @param known items that the page has, to name them
 */
export function RunProgress({ run, note, known = [] }: { run: Run; note?: string; known?: readonly Item[] }) {
  const styles = useStyles2(getStyles)
  const stop = useStopRun()
  return (
    <>
      <Alert
        severity={run.state === 'done' ? 'success' : run.state === 'stopped' ? 'warning' : 'info'}
        title={titleOf(run)}
        className={styles.state}
      >
        {run.state === 'running' && 'It goes on even if you leave this page. '}
        {run.state === 'stopped' && `${run.endedBy ?? 'Somebody'} stopped it; what was done stays done. `}
        {run.state === 'done' && note}
        <ProductSets outcome={run} />
        {run.state === 'running' && (
          <Button
            size="sm"
            variant="secondary"
            disabled={!mayWrite() || stop.isPending}
            onClick={() => stop.mutate(run.id)}
          >
            Stop
          </Button>
        )}
      </Alert>
      {stop.error && <Problem error={stop.error} write />}
      <Outcomes run={run} />
      <Refused outcome={run} known={known} />
    </>
  )
}

function doneOf({ kind, taken, productSets, queuedAnew }: Run): string {
  const ofSets = `of ${counted(productSets, 'product set')}`
  switch (kind) {
    case 'requeue':
      return `${counted(taken, 'item')} ${ofSets} requeued`
    case 'creations':
      return (
        `${counted(productSets, 'creation')} queued, for which ${counted(taken, 'item')} ` +
        `wait${taken === 1 ? 's' : ''}`
      )
    case 'discard':
      return (
        `${counted(taken, 'item')} ${ofSets} discarded` +
        (queuedAnew > 0 ? `, ${counted(queuedAnew, 'newer change')} queued anew` : '')
      )
    case 'send':
      return `${counted(taken, 'change')} ${ofSets} queued`
  }
}

function titleOf(run: Run): string {
  const { state, taken, skippedTotal, previewed } = run
  const done = doneOf(run)
  if (state === 'stopped') return `Stopped: ${done}`
  if (state === 'done') return done
  const { taken: expected = 0, skippedTotal: skipped = 0, first } = previewed ?? {}
  return expected + skipped > 0 && first === undefined
    ? `${(taken + skippedTotal).toLocaleString('en')} of ${counted(expected + skipped, 'item')} looked at`
    : `Begun: ${done}`
}

/** What else an outcome is called. */
const LABELS: Partial<Record<Run['kind'], Partial<Record<Outcome, string>>>> = {
  creations: { blocked_again: 'Still Blocked' },
  discard: { ended: 'Discarded' },
  send: { failed_again: 'Failed', blocked_again: 'Blocked' },
}

/** What became of the items, as far as it is known by now. */
function Outcomes({ run: { kind, taken, outcome, unread } }: { run: Run }) {
  const styles = useStyles2(getStyles)
  if (taken === 0) return null
  const labelOf = (what: Outcome) => LABELS[kind]?.[what] ?? OUTCOME_LABELS[what]
  const shown = OUTCOMES.filter((what) => outcome[what])
  return (
    <dl className={styles.outcomes} aria-label="What became of them">
      {shown.map((what) => (
        <div key={what}>
          <dt>{labelOf(what)}</dt>
          <dd>{outcome[what]!.toLocaleString('en')}</dd>
        </div>
      ))}
      {unread > 0 && (
        <div>
          <dt>Not looked at yet</dt>
          <dd>{unread.toLocaleString('en')}</dd>
        </div>
      )}
    </dl>
  )
}

/** The product sets concerned, the first ones by name. */
export function ProductSets({
  outcome: { productSets, firstProductSets, variations },
}: {
  outcome: Pick<Run, 'productSets' | 'firstProductSets' | 'variations'>
}) {
  if (productSets === 0) return null
  const variationsToo = `with ${counted(variations, 'variation')}.`
  if (firstProductSets.length === 0)
    return (
      <p>
        {counted(productSets, 'product set')}, {variationsToo}
      </p>
    )
  return (
    <p>
      Product set{productSets > 1 && 's'}{' '}
      {firstProductSets.map((set, place) => (
        <React.Fragment key={set}>
          {place > 0 && ', '}
          <Link to={pageUrl(`products/${set}`)} inText>
            {set}
          </Link>
        </React.Fragment>
      ))}
      {productSets > firstProductSets.length &&
        ` and ${(productSets - firstProductSets.length).toLocaleString('en')} more`}
      , {variationsToo}
    </p>
  )
}

/**
 * How many are skipped and why, with the first of them.
 *
 * @param nameOf the seller SKU of a product, where the page has it
 */
export function Refused({
  outcome: { skipped, skippedTotal, skippedByReason },
  known,
  nameOf = () => undefined,
}: {
  outcome: Pick<Run, 'skippedTotal' | 'skippedByReason'> & { skipped: readonly LeftAlone[] }
  known: readonly Item[]
  nameOf?(productId: string): string | undefined
}) {
  if (skippedTotal === 0) return null
  const find = (itemId: string | null) => known.find(({ id }) => id === itemId)
  const nameOfItem = (itemId: string) => {
    const item = find(itemId)
    return (item && firstSku(item)) ?? `item ${itemId}`
  }
  const what = skipped.some(({ productId }) => productId != null) ? 'change' : 'item'
  return (
    <Alert severity="info" topSpacing={2} title={`${counted(skippedTotal, what)} left alone`}>
      <ul>
        {Object.entries(skippedByReason).map(([code, n]) => {
          const those = skipped.filter(({ reason }) => reason === code)
          const wait = those.length === n && those.every(({ itemId }) => find(itemId)?.reason?.code === 'stock_wait')
          // of a product several topics may be left alone for the same reason
          const named = [...new Map(those.map((each) => [each.itemId ?? each.productId, each])).values()]
          return (
            <li key={code}>
              {n.toLocaleString('en')}: {wait ? WAITS_ON_PURPOSE : REFUSAL_SENTENCES[code as Refusal]}
              {named.length > 0 && ' ('}
              {named.slice(0, 3).map(({ itemId, productId }, place) => (
                <React.Fragment key={itemId ?? productId}>
                  {place > 0 && ', '}
                  {itemId === null ? (
                    <Link to={pageUrl('overview', { q: productId ?? undefined })} inText>
                      {nameOf(productId ?? '') ?? `product ${productId}`}
                    </Link>
                  ) : (
                    <Link to={pageUrl(`items/${itemId}`)} inText>
                      {nameOfItem(itemId)}
                    </Link>
                  )}
                </React.Fragment>
              ))}
              {named.length > 3 && ', …'}
              {named.length > 0 && ')'}
            </li>
          )
        })}
      </ul>
    </Alert>
  )
}

type LeftAlone = Omit<Run['skipped'][number], 'productId'> & { productId?: string | null }

const getStyles = (theme: GrafanaTheme2) => ({
  state: css({ p: { marginBottom: 0 }, 'p + button': { marginTop: theme.spacing(1) } }),
  outcomes: css({
    display: 'flex',
    flexWrap: 'wrap',
    gap: theme.spacing(3),
    dt: { fontWeight: 'inherit', color: theme.colors.text.secondary },
    dd: { ...theme.typography.h4, margin: 0 },
  }),
})
