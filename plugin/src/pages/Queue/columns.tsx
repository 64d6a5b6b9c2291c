import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { useStyles2 } from '@grafana/ui'
import React, { type ReactNode } from 'react'
import type { Item } from '../../../../worker/api/internal/schemas.ts'
import { explain, explainColumn, explainTopic, NO_CREATE } from '../../../../worker/domain/explanations.ts'
import type { Order } from '../../../../worker/domain/orders.ts'
import type { Tab } from '../../../../worker/domain/statuses.ts'
import { TOPIC_NAMES, TOPICS } from '../../../../worker/domain/topics.ts'
import { HeldBy } from '../../components/HeldBy.tsx'
import { Link } from '../../components/Link.tsx'
import { Sku } from '../../components/Sku.tsx'
import { Status } from '../../components/Status.tsx'
import { Due, Time } from '../../components/Time.tsx'
import { pageUrl } from '../../location.ts'
import { isStranded } from '../../stranded.ts'

interface Column {
  label: string
  cell(item: Item): ReactNode
  /** The API's name for this order. Only indexes can sort ten million items, so few columns have one. */
  sort?: Order
}

const shopSku = ({ sku, productId }: Item) =>
  sku === null ? (
    '–'
  ) : (
    <Sku isShops isOfSet={productId === null}>
      {sku}
    </Sku>
  )

/** What may be long: wide enough that a row does not become a column of words. */
const Prose = ({ children }: { children: string | null | undefined }) =>
  children ? <div style={{ minWidth: '24ch', overflowWrap: 'anywhere' }}>{children}</div> : <>–</>

/** All columns of lists. Labels are those of docs/requirements.md, "Columns", where it has them. */
export const COLUMNS = {
  sellerSku: {
    label: 'Seller SKU',
    cell: ({ id, sellerSku, productId, productSetId }) => (
      <Link to={pageUrl(`items/${id}`)}>
        <Sku isOfSet={productId === null}>{sellerSku ?? `Product set ${productSetId}`}</Sku>
      </Link>
    ),
  },
  sku: { label: 'SKU', cell: shopSku },
  topic: { label: 'Topic', cell: ({ topic }) => TOPICS[topic].label },
  queuedAt: { label: 'Queued at', cell: ({ queuedAt }) => <Time at={queuedAt} />, sort: 'queuedAt' },
  status: {
    label: 'Status',
    cell: (item) => (
      <div style={{ minWidth: '18ch' }}>
        <Where item={item} />
      </div>
    ),
  },
  requeuedCount: { label: 'Requeued count', cell: ({ requeuedCount }) => requeuedCount },
  lastRequeuedAt: { label: 'Last requeued at', cell: ({ lastRequeuedAt }) => <Time at={lastRequeuedAt} /> },
  failedAt: { label: 'Failed at', cell: ({ failedAt }) => <Time at={failedAt} /> },
  syncedAt: { label: 'Synced at', cell: ({ statusAt }) => <Time at={statusAt} /> },
  statusAt: { label: 'In this status since', cell: ({ statusAt }) => <Time at={statusAt} />, sort: 'statusAt' },
  nextAttemptAt: {
    label: 'Next retry',
    cell: ({ nextAttemptAt }) => <Due at={nextAttemptAt} />,
    sort: 'nextAttemptAt',
  },
  reason: {
    label: 'Reason',
    cell: ({ reason }) =>
      reason ? <span title={explain(reason.code).sentence}>{explain(reason.code).label}</span> : '–',
  },
  cause: { label: 'Cause', cell: ({ cause }) => <Prose>{cause?.pattern}</Prose> },
  message: { label: 'Message', cell: ({ reason }) => <Prose>{reason?.message}</Prose> },
  blockedBy: {
    label: 'Waits for',
    cell: (item) =>
      item.blockedBy ? (
        <Link to={pageUrl(`items/${item.blockedBy}`)}>Item {item.blockedBy}</Link>
      ) : item.heldBy ? (
        <HeldBy holder={item.heldBy} />
      ) : isStranded(item) ? (
        'a creation that is not queued'
      ) : item.noCreate ? (
        NO_CREATE[item.noCreate]
      ) : (
        '–'
      ),
  },
  failures: { label: 'Failures', cell: ({ failures }) => failures },
  retriesLeft: { label: 'Retries left', cell: ({ retriesLeft }) => retriesLeft ?? '–' },
  seller: {
    label: 'Seller',
    cell: ({ sellerName, sellerId }) => (
      <div style={{ minWidth: '12ch' }}>
        <Link to={pageUrl(`sellers/${sellerId}`)}>{sellerName ?? sellerId}</Link>
      </div>
    ),
  },
  productSetId: {
    label: 'Product set',
    cell: ({ productSetId, productId }) => (
      <Link to={pageUrl(`products/${productSetId}`, { product: productId ?? undefined })}>{productSetId}</Link>
    ),
  },
  productId: { label: 'Product', cell: ({ productId }) => productId ?? '–' },
  flow: { label: 'Flow', cell: ({ flow }) => flow ?? '–' },
  requestId: { label: 'Request ID', cell: ({ requestId }) => requestId ?? '–' },
  coalesced: { label: 'Merged changes', cell: ({ coalesced }) => coalesced },
} as const satisfies Record<string, Column>

export type ColumnName = keyof typeof COLUMNS
export const COLUMN_NAMES = Object.keys(COLUMNS) as ColumnName[]
export const column = (name: ColumnName): Column => COLUMNS[name]

/**
 * The default columns of each tab: those of docs/requirements.md, in its order, then seller and cause; likewise for
 * Blocked and Synced, which are not in it.
 */
export const TAB_COLUMNS: Record<Tab, ColumnName[]> = {
  pending: ['sellerSku', 'sku', 'topic', 'queuedAt', 'status', 'requeuedCount', 'lastRequeuedAt', 'seller'],
  delayed: ['sellerSku', 'sku', 'topic', 'queuedAt', 'status', 'requeuedCount', 'lastRequeuedAt', 'seller', 'cause'],
  blocked: ['sellerSku', 'sku', 'topic', 'queuedAt', 'reason', 'blockedBy', 'seller'],
  failed: ['sellerSku', 'sku', 'topic', 'queuedAt', 'failedAt', 'seller', 'cause'],
  synced: ['sellerSku', 'sku', 'topic', 'queuedAt', 'syncedAt', 'requeuedCount', 'seller'],
}

/** A tab's label for a column; Delayed spells two of them differently (docs/requirements.md, "Columns"). */
export const labelOf = (tab: Tab, name: ColumnName): string =>
  (tab === 'delayed' && { requeuedCount: 'Requeued Count', lastRequeuedAt: 'Last Requeued at' }[name as string]) ||
  column(name).label

/** What a column shows, for its header. */
export function helpOf(name: ColumnName): string | React.ReactElement | undefined {
  const text = explainColumn(name)
  if (name !== 'topic') return text
  return (
    <>
      <p>{text}</p>
      <dl>
        {TOPIC_NAMES.map((topic) => (
          <React.Fragment key={topic}>
            <dt>{TOPICS[topic].label}</dt>
            <dd>{explainTopic(topic)}</dd>
          </React.Fragment>
        ))}
      </dl>
    </>
  )
}

/** The item's status, and below it what it waits for. */
function Where({ item: { status, reason, nextAttemptAt, heldBy } }: { item: Item }) {
  return (
    <>
      <Status status={status} />
      <Note>
        {status === 'delayed' || status === 'failed'
          ? nextAttemptAt
            ? [reason?.code === 'stock_wait' ? 'is sent ' : 'next retry ', <Due key="due" at={nextAttemptAt} />]
            : 'retries exhausted'
          : status === 'blocked' && reason && explain(reason.code).label}
      </Note>
      {heldBy && (
        <Note>
          behind <HeldBy holder={heldBy} />
        </Note>
      )}
    </>
  )
}

function Note({ children }: { children: ReactNode }) {
  const styles = useStyles2(getStyles)
  return children ? <div className={styles.note}>{children}</div> : null
}

const getStyles = (theme: GrafanaTheme2) => ({
  note: css({
    ...theme.typography.bodySmall,
    color: theme.colors.text.secondary,
    overflowWrap: 'anywhere',
    // on the colour of such a row it would be too weak
    'tr:hover &, tr[aria-selected="true"] &': { color: theme.colors.text.primary },
  }),
})
