import { Badge, Button, EmptyState, LoadingPlaceholder, Stack } from '@grafana/ui'
import React, { useState } from 'react'
import type { ItemDetail } from '../../../../worker/api/internal/schemas.ts'
import { explain, explainStatus, howToFree, NO_CREATE } from '../../../../worker/domain/explanations.ts'
import { ID } from '../../../../worker/domain/ids.ts'
import { ADMIN_RESOLVES } from '../../../../worker/domain/reasons.ts'
import type { RequeueInclude } from '../../../../worker/domain/requeue.ts'
import { STATUSES } from '../../../../worker/domain/statuses.ts'
import { creates, TOPICS } from '../../../../worker/domain/topics.ts'
import type { RequeueTarget } from '../../api/actions.ts'
import { ApiError } from '../../api/client.ts'
import { useItem } from '../../api/items.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { ACTS } from '../../components/acts.ts'
import { type Fact, FactList } from '../../components/FactList.tsx'
import { HeldBy } from '../../components/HeldBy.tsx'
import { Link } from '../../components/Link.tsx'
import { MadeUp } from '../../components/MadeUp.tsx'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { RequeueDialog } from '../../components/RequeueDialog.tsx'
import { WAITS_ON_PURPOSE } from '../../components/RunProgress.tsx'
import { SellerAnswer } from '../../components/SellerAnswer.tsx'
import { firstSku } from '../../components/Sku.tsx'
import { Status } from '../../components/Status.tsx'
import { Age, Moment } from '../../components/Time.tsx'
import { pageUrl } from '../../location.ts'
import { isStranded } from '../../stranded.ts'
import { Adopt } from './Adopt.tsx'
import { Calls } from './Calls.tsx'
import { Elsewhere } from './Elsewhere.tsx'
import { QueueCreation } from './QueueCreation.tsx'
import { Resolve } from './Resolve.tsx'
import { Timeline } from './Timeline.tsx'

const titleOf = (item: ItemDetail): string =>
  `${TOPICS[item.topic].label} of ${firstSku(item) ?? `product set ${item.productSetId}`}`

/** The whole story of one item. */
export function Item({ id }: { id: string }) {
  const isId = ID.test(id)
  const { data: item, error, refetch } = useItem(id, isId)
  const isMissing = !isId || (error instanceof ApiError && error.status === 404)
  return (
    <Page title={item ? titleOf(item) : `Item ${id}`} actions={item && <Requeue item={item} />}>
      {isMissing && (
        <EmptyState variant="not-found" message="There is no such item">
          {isId ? `No item has the id ${id}, or its history is no longer kept. ` : 'The id of an item is a number. '}
          <Link to={pageUrl('overview', { q: id })} inText>
            Search everything for “{id}”
          </Link>
        </EmptyState>
      )}
      {error && !isMissing && <Problem error={error} retry={refetch} />}
      {!item && !error && !isMissing && <LoadingPlaceholder text="Loading the item …" />}
      {item && <Story item={item} />}
    </Page>
  )
}

function Story({ item }: { item: ItemDetail }) {
  const { sellerAnswer, status, reason } = item
  return (
    <Stack direction="column" gap={3}>
      <SellerAnswer text={sellerAnswer.text}>
        <Badge text={ACTS[sellerAnswer.whoActs]} color={sellerAnswer.whoActs === 'nobody' ? 'green' : 'orange'} />
      </SellerAnswer>
      <section aria-label="Status">
        <Status status={status} /> {reason && <strong>{explain(reason.code).label}</strong>}
        <p>{meaning(item)}</p>
        {reason?.message && <p>{reason.message}</p>}
        <MadeUp at={item.statusAt} />
        <Waits item={item} />
        {/* what cannot be taken back comes last */}
        <Stack gap={1} wrap="wrap">
          <Adopt
            itemId={item.id}
            productId={item.productId}
            productSetId={item.productSetId}
            isOpen={item.retriesLeft !== null && creates(item.topic) && ADOPTABLE.some((one) => one === reason?.code)}
          />
          <Resolve
            id={item.id}
            creates={creates(item.topic)}
            isOpen={
              item.retriesLeft !== null && status === 'blocked' && ADMIN_RESOLVES.some((code) => code === reason?.code)
            }
          />
        </Stack>
        <QueueCreation productSetId={item.productSetId} isOpen={isStranded(item)} />
      </section>
      <Facts item={item} />
      <Timeline transitions={item.transitions} />
      <Calls itemId={item.id} calls={item.calls} />
      <Elsewhere item={item} />
    </Stack>
  )
}

/** Why a create stands still although the Shop may have its product. */
const ADOPTABLE = ['failure', ...ADMIN_RESOLVES] as const

/** The meaning of the reason if there is one, because it is more specific; otherwise that of the status. */
function meaning(item: ItemDetail): string {
  if (isStranded(item))
    return 'Nothing in the queue creates what it waits for. Sent again, it would only be Blocked again.'
  if (item.noCreate) return `It waits for ${NO_CREATE[item.noCreate]}.`
  return item.reason ? explain(item.reason.code).sentence : explainStatus(item.status)
}

/** Which change of which product goes first, and how that ends. */
function Waits({ item: { heldBy, blockedByItem } }: { item: ItemDetail }) {
  if (heldBy)
    return (
      <p>
        It waits behind <HeldBy holder={heldBy} />, which was queued before it. {howToFree(heldBy.status, heldBy.topic)}
      </p>
    )
  if (blockedByItem)
    return (
      <p>
        It waits for <Blocker item={blockedByItem} />. {howToFree(blockedByItem.status, blockedByItem.topic)}
      </p>
    )
  return null
}

const Blocker = ({ item: { id, topic, status } }: { item: NonNullable<ItemDetail['blockedByItem']> }) => (
  <Link to={pageUrl(`items/${id}`)} inText>
    {TOPICS[topic].label} (item {id}): {STATUSES[status].label}
  </Link>
)

function Facts({ item }: { item: ItemDetail }) {
  const waitsFor = item.blockedByItem
  const facts: Fact[] = [
    ['Title', item.title ?? '–'],
    ['Seller SKU', item.sellerSku ?? '–', 'wide'],
    ['SKU', item.sku ?? '–'],
    [
      'Seller',
      <Link key="seller" to={pageUrl(`sellers/${item.sellerId}`)}>
        {item.sellerName ?? item.sellerId}
      </Link>,
    ],
    ['Product', item.productId ?? 'the whole product set'],
    [
      'Product set',
      <Link key="set" to={pageUrl(`products/${item.productSetId}`, { product: item.productId ?? undefined })}>
        {item.productSetId}
      </Link>,
    ],
    ['Topic', TOPICS[item.topic].label],
    ['Queued at', <Moment key="queued" at={item.queuedAt} />],
    ['In this status', <Age key="age" since={item.statusAt} />],
    ['Flow', item.flow ?? '–'],
    ['Request ID', item.requestId ?? '–'],
    ['Requeued count', item.requeuedCount],
    ['Last requeued at', <Moment key="requeued" at={item.lastRequeuedAt} />],
    ['Failed at', <Moment key="failed" at={item.failedAt} />],
    ['Failures', item.failures],
    ['Next retry', <Moment key="next" at={item.nextAttemptAt} isPlanned />],
    ['Retries left', item.retriesLeft ?? '–'],
    ['Merged changes', item.coalesced],
    ['Place in its set', item.positionInSet ?? '–'],
    [
      'Waits for',
      waitsFor ? (
        <Blocker key="blocker" item={waitsFor} />
      ) : item.heldBy ? (
        <HeldBy key="holder" holder={item.heldBy} />
      ) : item.noCreate ? (
        NO_CREATE[item.noCreate]
      ) : (
        '–'
      ),
      'wide',
    ],
  ]
  return <FactList facts={facts} />
}

const REQUEUEABLE: readonly string[] = ['failed', 'delayed', 'blocked', 'got_acknowledgment']

function Requeue({ item }: { item: ItemDetail }) {
  const { id, status, reason, productSetId, retriesLeft } = item
  const [target, setTarget] = useState<RequeueTarget | null>(null)
  const isInQueue = retriesLeft !== null
  const include: RequeueInclude[] = status === 'delayed' || status === 'blocked' ? ['failed', status] : ['failed']
  const tooltip = mayWrite() ? undefined : READ_ONLY
  const waits = reason?.code === 'stock_wait'
  return (
    <>
      <Button
        variant="secondary"
        icon="apps"
        disabled={!mayWrite()}
        tooltip={tooltip}
        onClick={() => setTarget({ productSetIds: [productSetId] })}
      >
        Reupload the product set
      </Button>
      {isInQueue && REQUEUEABLE.includes(status) && (
        <Button
          icon="repeat"
          disabled={!mayWrite() || waits}
          tooltip={tooltip ?? (waits ? WAITS_ON_PURPOSE : undefined)}
          onClick={() => setTarget({ itemIds: [id] })}
        >
          Reupload to Shop
        </Button>
      )}
      {target && <RequeueDialog target={target} known={[item]} include={include} onClose={() => setTarget(null)} />}
    </>
  )
}
