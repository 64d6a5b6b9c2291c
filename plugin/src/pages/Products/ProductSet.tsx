import { css } from '@emotion/css'
import { type GrafanaTheme2, locationUtil } from '@grafana/data'
import { Badge, Button, EmptyState, LinkButton, LoadingPlaceholder, Stack, useStyles2 } from '@grafana/ui'
import React, { useState } from 'react'
import type { ProductSet as Set_ } from '../../../../worker/api/internal/schemas.ts'
import { howToFree } from '../../../../worker/domain/explanations.ts'
import { ID } from '../../../../worker/domain/ids.ts'
import { CELL_LABELS, type Cell } from '../../../../worker/domain/product-verdict.ts'
import type { RequeueInclude } from '../../../../worker/domain/requeue.ts'
import { TOPICS } from '../../../../worker/domain/topics.ts'
import { ApiError } from '../../api/client.ts'
import { useProductSet } from '../../api/products.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { ACTS } from '../../components/acts.ts'
import { type Fact, FactList } from '../../components/FactList.tsx'
import { HeldBy } from '../../components/HeldBy.tsx'
import { Link } from '../../components/Link.tsx'
import { MadeUp } from '../../components/MadeUp.tsx'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { RequeueDialog } from '../../components/RequeueDialog.tsx'
import { Section } from '../../components/Section.tsx'
import { SellerAnswer } from '../../components/SellerAnswer.tsx'
import { Due, Lasting, Time } from '../../components/Time.tsx'
import { Verdict } from '../../components/Verdict.tsx'
import { pageUrl, turnTo, useRoute } from '../../location.ts'
import { QueueCreation } from '../Item/QueueCreation.tsx'
import { Differences } from './Differences.tsx'
import { SendAgain } from './SendAgain.tsx'
import { SetTimeline } from './SetTimeline.tsx'

type Product = Set_['products'][number]

/** Why a product is, or is not, in the Shop: its set, each variation, each topic. */
export function ProductSet({ id }: { id: string }) {
  const { query } = useRoute()
  const isId = ID.test(id)
  const { data: set, error, refetch } = useProductSet(id, query.product, isId)
  const isMissing = !isId || (error instanceof ApiError && error.status === 404)
  return (
    <Page title={set?.title ?? `Product set ${id}`} actions={set && <Actions set={set} />}>
      {isMissing && (
        <EmptyState variant="not-found" message="There is no such product">
          The id of a product set is a number, and its products may have been deleted since.
        </EmptyState>
      )}
      {error && !isMissing && <Problem error={error} retry={refetch} />}
      {!set && !error && !isMissing && <LoadingPlaceholder text="Loading the product …" />}
      {set && <MadeUp />}
      {set && <Whole set={set} asked={query.product} />}
    </Page>
  )
}

function Whole({ set, asked }: { set: Set_; asked: string | undefined }) {
  const shown = set.products.find(({ id }) => id === asked) ?? (set.products.length === 1 ? set.products[0] : undefined)
  return (
    <>
      {shown ? <OneProduct product={shown} set={set} /> : <p>Choose a variation to see how it stands with it.</p>}
      <Grid set={set} chosen={shown?.id} />
      <SetTimeline id={set.productSetId} />
    </>
  )
}

function OneProduct({ product, set }: { product: Product; set: Set_ }) {
  const styles = useStyles2(getStyles)
  const { verdict, answer } = product
  return (
    <Stack direction="column" gap={2}>
      <section aria-label="How it stands" className={styles.verdict}>
        <Verdict {...verdict} />
        <p data-testid="verdict">{verdict.text}</p>
        <Stack gap={2} wrap="wrap" alignItems="center">
          <Badge text={ACTS[verdict.whoActs]} color={verdict.whoActs === 'nobody' ? 'green' : 'orange'} />
          {verdict.since && (
            <span>
              <Lasting since={verdict.since} />
            </span>
          )}
          {verdict.next && (
            <span>
              Next attempt <Due at={verdict.next} />
            </span>
          )}
          <QueueCreation productSetId={product.productSetId} isOpen={verdict.code === 'not_created'} />
        </Stack>
        <HoldsUp
          cell={[...product.cells, ...set.cells].find(({ itemId }) => itemId === verdict.itemId)}
          product={product}
        />
      </section>
      {answer && <SellerAnswer text={answer.text} />}
      <Facts product={product} />
      {product.inShop && <Differences key={product.id} productSetId={product.productSetId} productId={product.id} />}
    </Stack>
  )
}

/** The change to look at first, and how what waits behind it goes on. */
function HoldsUp({ cell, product }: { cell: Set_['cells'][number] | undefined; product: Product }) {
  const { itemId, heldBy } = product.verdict
  if (itemId === null) return null
  const it = (
    <Link to={pageUrl(`items/${itemId}`)} inText>
      {cell ? `${TOPICS[cell.topic].label} (${CELL_LABELS[cell.cell]}), item ${itemId}` : `item ${itemId}`}
    </Link>
  )
  if (heldBy !== null)
    return (
      <p data-testid="holds-up">
        {it} waits behind <HeldBy holder={heldBy} />. {howToFree(heldBy.status, heldBy.topic)}
      </p>
    )
  const stands = cell && (['failed', 'delayed', 'blocked'] as const).find((status) => status === cell.cell)
  return (
    <p data-testid="holds-up">
      Look at {it}
      {stands && product.openItems > 1 ? ` first. ${howToFree(stands, cell.topic, 'What waits behind it')}` : '.'}
    </p>
  )
}

function Facts({ product }: { product: Product }) {
  const facts: Fact[] = [
    ['Seller SKU', product.sellerSku, 'wide'],
    ['SKU', product.sku ?? '–'],
    ["The Shop's id", product.srcId ?? '–'],
    ['Seller', <SellerLink key="seller" {...product} />],
    ['Active', product.active ? 'yes' : 'no'],
    ['Quality control', product.qcStatus],
    ['Price', product.price],
    ['Stock', product.stock.toLocaleString('en')],
    ['Last taken by the Shop', <Time key="synced" at={product.syncedAt} />],
  ]
  return <FactList facts={facts} />
}

const SellerLink = ({ sellerId, sellerName, sellerActive }: Pick<Set_, 'sellerId' | 'sellerName' | 'sellerActive'>) => (
  <>
    <Link to={pageUrl(`sellers/${sellerId}`)} inText={!sellerActive}>
      {sellerName}
    </Link>
    {!sellerActive && ' (not active)'}
  </>
)

/** Nine topics by variations. */
function Grid({ set, chosen }: { set: Set_; chosen: string | undefined }) {
  const styles = useStyles2(getStyles)
  const topics = set.products[0]?.cells.map(({ topic }) => topic) ?? []
  return (
    <Section title={set.products.length === 1 ? 'By topic' : `${set.products.length} variations by topic`}>
      <div className={styles.scroll}>
        <table className={styles.grid} aria-label="Topics of each variation">
          <thead>
            <tr>
              <th scope="col">Variation</th>
              <th scope="col">How it stands</th>
              {topics.map((topic) => (
                <th key={topic} scope="col">
                  {TOPICS[topic].label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">The whole set</th>
              <td />
              <td colSpan={topics.length}>
                <Stack gap={2} wrap="wrap">
                  {set.cells.map((cell) => (
                    <span key={cell.topic}>
                      {TOPICS[cell.topic].label}: <CellLink {...cell} />
                    </span>
                  ))}
                </Stack>
              </td>
            </tr>
            {set.products.map((product) => (
              <tr key={product.id} aria-current={product.id === chosen ? 'true' : undefined}>
                <th scope="row">
                  <Button
                    size="sm"
                    fill="text"
                    className={styles.variation}
                    onClick={() => turnTo({ product: product.id })}
                  >
                    {product.sellerSku}
                  </Button>
                </th>
                <td>
                  <Verdict {...product.verdict} />
                </td>
                {product.cells.map((cell) => (
                  <td key={cell.topic} data-cell>
                    <CellLink {...cell} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  )
}

function CellLink({ cell, itemId, at }: { cell: Cell; itemId: string | null; at: string | null }) {
  const text = CELL_LABELS[cell]
  return (
    <>
      {itemId === null ? (
        text
      ) : (
        <Link to={pageUrl(`items/${itemId}`)} inText>
          {text}
        </Link>
      )}{' '}
      {at !== null && (
        <small>
          <Time at={at} />
        </small>
      )}
    </>
  )
}

/** What of it stands still. */
const includedBy = (set: Set_): RequeueInclude[] => {
  const cells = [set.cells, ...set.products.map((product) => product.cells)].flat().map(({ cell }) => cell)
  return ['failed', ...(['delayed', 'blocked'] as const).filter((status) => cells.includes(status))]
}

function Actions({ set }: { set: Set_ }) {
  const [asking, setAsking] = useState(false)
  const failing = set.products.some(({ openItems }) => openItems > 0)
  return (
    <>
      <LinkButton variant="secondary" icon="user" href={locationUtil.assureBaseUrl(pageUrl(`sellers/${set.sellerId}`))}>
        The seller
      </LinkButton>
      <SendAgain set={set} />
      <Button
        icon="repeat"
        disabled={!mayWrite() || !failing}
        tooltip={mayWrite() ? (failing ? undefined : 'Nothing of it is in the queue') : READ_ONLY}
        onClick={() => setAsking(true)}
      >
        Reupload the product set
      </Button>
      {asking && (
        <RequeueDialog
          target={{ productSetIds: [set.productSetId] }}
          known={[]}
          include={includedBy(set)}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  verdict: css({
    padding: theme.spacing(2),
    background: theme.colors.background.secondary,
    p: { margin: theme.spacing(1, 0) },
    'p:last-child': { marginBottom: 0 },
    'p:first-of-type': { fontSize: theme.typography.h4.fontSize },
  }),
  scroll: css({ overflowX: 'auto' }),
  grid: css({
    width: '100%',
    'th, td': {
      padding: theme.spacing(0.75),
      borderBottom: `1px solid ${theme.colors.border.weak}`,
      textAlign: 'left',
      whiteSpace: 'nowrap',
      fontWeight: 'inherit',
    },
    'thead th': { color: theme.colors.text.secondary, whiteSpace: 'normal' },
    // when, below how it stands: nine topics are as wide as the page
    small: { color: theme.colors.text.secondary },
    'td[data-cell] small': { display: 'block' },
    'tr[aria-current="true"]': { background: theme.colors.action.selected, small: { color: 'inherit' } },
  }),
  // in line with the header
  variation: css({ marginLeft: theme.spacing(-1) }),
})
