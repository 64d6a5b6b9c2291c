import { css } from '@emotion/css'
import { AppEvents, type GrafanaTheme2, locationUtil } from '@grafana/data'
import { getAppEvents, getBackendSrv, locationService } from '@grafana/runtime'
import {
  Alert,
  Button,
  EmptyState,
  IconButton,
  LinkButton,
  LoadingPlaceholder,
  RefreshPicker,
  ToolbarButton,
  useStyles2,
} from '@grafana/ui'
import React, { useState } from 'react'
import { lastValueFrom } from 'rxjs'
import type { Item } from '../../../../worker/api/internal/schemas.ts'
import { hasOrder, type Order } from '../../../../worker/domain/orders.ts'
import { REQUEUE_INCLUDES, type RequeueInclude } from '../../../../worker/domain/requeue.ts'
import { statusesOf, TAB_LABELS, type Tab } from '../../../../worker/domain/statuses.ts'
import type { RequeueTarget } from '../../api/actions.ts'
import { csvUrl, type Selection, useItems } from '../../api/items.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { AsOf } from '../../components/AsOf.tsx'
import { DiscardDialog } from '../../components/DiscardDialog.tsx'
import { Link } from '../../components/Link.tsx'
import { MadeUp } from '../../components/MadeUp.tsx'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { RequeueDialog } from '../../components/RequeueDialog.tsx'
import { RetryLogic } from '../../components/RetryLogic.tsx'
import { Table } from '../../components/Table.tsx'
import { changeQuery, pageUrl, turnTo, useRoute } from '../../location.ts'
import { withTimes } from '../../range.ts'
import { BlockedFold } from './BlockedFold.tsx'
import { Causes, isToDecide } from './Causes.tsx'
import { ColumnPicker } from './ColumnPicker.tsx'
import { COLUMN_NAMES, type ColumnName, column, helpOf, labelOf, TAB_COLUMNS } from './columns.tsx'
import { FIRST_ONLY, Filters, reasonOf, SEARCHED } from './Filters.tsx'
import { Unanswered } from './Unanswered.tsx'

const PAGE = 50
const INTERVALS: Record<string, number> = { '2s': 2000, '5s': 5000, '10s': 10_000, '30s': 30_000, '1m': 60_000 }
const USUAL_INTERVAL = '5s'
const NONE: ReadonlySet<string> = new Set()
const WITHOUT_BLOCKED = 'All that matches, with all columns, but not the Blocked items that are folded'
const REQUEUED: readonly string[] = REQUEUE_INCLUDES

/** One list of the queue. Everything it shows is in the URL, except for the selection. */
export function Queue({ tab }: { tab: Tab }) {
  const styles = useStyles2(getStyles)
  const { query } = useRoute()
  const { q, topic, seller, cursor, refresh = USUAL_INTERVAL } = query
  // Blocked items of this tab are one line until somebody wants to see them (decision 6)
  const isFolded = tab === 'pending' && query.status === undefined && query.blocked !== 'shown'
  const status = isFolded ? '-blocked' : query.status
  const reason = reasonOf(tab, query)
  const hasCauses = tab === 'delayed' || tab === 'blocked' || tab === 'failed'
  const cause = hasCauses && /^-?\d+$/.test(query.cause ?? '') ? query.cause : undefined
  const shown = columnsOf(tab, query.columns)
  const offered = (sort: string | undefined) =>
    sort && hasOrder(sort.replace(/^-/, '') as Order, { tab, status }) ? sort : undefined
  // an order that the filters no longer offer
  const sort = offered(query.sort)
  const chosen: Selection = { tab, q, topic, status, reason, cause, seller, from: query.from, to: query.to }
  const listed = useItems({ ...chosen, sort, cursor, limit: String(PAGE) }, INTERVALS[refresh] ?? false)
  const { data, error, isFetching, isPlaceholderData, refetch } = listed
  // "all that match" is what the list shows: of the hour before it was read, not before now
  const wanted =
    data && !isPlaceholderData ? { ...chosen, from: data.asked.from, to: data.asked.to } : withTimes(chosen)
  // A selection belongs to the filters under which it was made: items that are no longer visible must not be requeued
  // with visible ones.
  const filters = [q, topic, status, reason, cause, seller, query.from, query.to].join('\n')
  const [selection, select] = useState({ filters, ids: NONE })
  const selected = selection.filters === filters ? selection.ids : NONE
  const setSelected = (ids: ReadonlySet<string>) => select({ filters, ids })
  // The visited pages, in order; the browser's Back and Forward move among them too.
  const [trail, setTrail] = useState<(string | undefined)[]>([cursor])
  const place = trail.indexOf(cursor)
  const [target, setTarget] = useState<RequeueTarget | null>(null)
  const [discarded, setDiscarded] = useState<RequeueTarget | null>(null)

  const requeueable = tab !== 'synced'
  const include: RequeueInclude[] =
    tab === 'delayed' ? ['failed', 'delayed'] : tab === 'failed' ? ['failed'] : ['failed', 'blocked']
  // in Pending / Processing only Blocked items can be requeued
  const requeueAll = requeueable && statusesOf({ tab, status }).some((name) => REQUEUED.includes(name))
  const toDecide = (data?.items ?? [])
    .filter((item) => selected.has(item.id) && isToDecide(item.reason?.code))
    .map(({ id }) => id)
  const discardAll = tab === 'blocked' && isToDecide(reason)

  return (
    <Page
      actions={
        <>
          {tab === 'delayed' && <RetryLogic />}
          <Share />
          <LinkButton
            variant="secondary"
            icon="download-alt"
            href={locationUtil.assureBaseUrl(csvUrl({ ...wanted, sort }))}
            download={`${tab}.csv`}
            disabled={data?.truncated ?? false}
            tooltip={data?.truncated ? FIRST_ONLY : isFolded ? WITHOUT_BLOCKED : 'All that matches, with all columns'}
            target="_self" // otherwise Grafana would take it for one of its own pages
          >
            CSV
          </LinkButton>
          <RefreshPicker
            value={refresh}
            intervals={Object.keys(INTERVALS)}
            onRefresh={() => void refetch()}
            onIntervalChanged={(interval) => changeQuery({ refresh: interval || 'off' })}
            isLoading={isFetching}
            tooltip="Refresh"
          />
        </>
      }
    >
      {tab === 'synced' && <MadeUp />}
      <Filters tab={tab} query={query} />
      {hasCauses && (
        <Causes
          tab={tab}
          chosen={cause}
          onRequeue={(id) => setTarget({ filter: defined({ tab, cause: id }) })}
          onDiscard={(id) => setDiscarded({ filter: defined({ tab, cause: id }) })}
        />
      )}
      {tab === 'pending' && <Unanswered chosen={status === 'got_acknowledgment' ? topic : undefined} />}
      <div className={styles.bar}>
        {requeueable && (
          <>
            <Button
              size="sm"
              icon="repeat"
              disabled={!mayWrite() || selected.size === 0}
              tooltip={mayWrite() ? undefined : READ_ONLY}
              onClick={() => setTarget({ itemIds: [...selected] })}
            >
              Reupload to Shop{selected.size > 0 && ` (${selected.size})`}
            </Button>
            {selected.size > 0 && (
              <Button size="sm" variant="secondary" fill="text" onClick={() => setSelected(NONE)}>
                Clear selection
              </Button>
            )}
            {requeueAll && (
              <Button
                size="sm"
                variant="secondary"
                disabled={!mayWrite() || !data?.total.count || data.truncated}
                tooltip={mayWrite() ? (data?.truncated ? FIRST_ONLY : undefined) : READ_ONLY}
                onClick={() => setTarget({ filter: defined(wanted) })}
              >
                Reupload all that match
              </Button>
            )}
            {toDecide.length > 0 && toDecide.length === selected.size && (
              <Button
                size="sm"
                variant="destructive"
                fill="text"
                disabled={!mayWrite()}
                tooltip={mayWrite() ? undefined : READ_ONLY}
                onClick={() => setDiscarded({ itemIds: toDecide })}
              >
                Discard ({toDecide.length})
              </Button>
            )}
            {discardAll && (
              <Button
                size="sm"
                variant="destructive"
                fill="text"
                disabled={!mayWrite() || !data?.total.count || data.truncated}
                tooltip={mayWrite() ? (data?.truncated ? FIRST_ONLY : undefined) : READ_ONLY}
                onClick={() => setDiscarded({ filter: defined(wanted) })}
              >
                Discard all that match
              </Button>
            )}
          </>
        )}
        <span className={styles.count} aria-live="polite" data-testid="total">
          {data &&
            `${data.total.exact ? '' : 'more than '}${data.total.count.toLocaleString('en')} ` +
              `item${data.total.count === 1 && data.total.exact ? '' : 's'}` +
              (tab === 'pending' && !status ? ', including Blocked' : '')}
        </span>
        <AsOf query={listed} />
        <ColumnPicker shown={shown} onChange={(columns) => changeQuery({ columns: columns?.join('.') })} />
      </div>
      {tab === 'pending' && query.status === undefined && <BlockedFold query={query} />}
      {error && <Problem error={error} retry={refetch} />}
      {!data && !error && <LoadingPlaceholder text="Loading the list …" />}
      {data?.items.length === 0 && cursor && <p>Nothing is left on this page.</p>}
      {data?.truncated && <Alert severity="warning" title={FIRST_ONLY} />}
      {data?.items.length === 0 && !cursor && !data.truncated && (
        <Nothing
          tab={tab}
          q={q}
          filtered={Object.values({
            q,
            topic,
            status: query.status,
            reason,
            cause,
            seller,
            from: query.from,
            to: query.to,
          }).some(Boolean)}
        />
      )}
      {data && (data.items.length > 0 || cursor) && (
        <>
          <Table<Item>
            label={TAB_LABELS[tab]}
            columns={shown.map((name) => ({
              name,
              ...column(name),
              label: labelOf(tab, name),
              help: helpOf(name),
              sort: offered(column(name).sort),
            }))}
            rows={data.items}
            sort={sort ?? (tab === 'pending' ? 'queuedAt' : '-queuedAt')}
            onSort={(order) => {
              changeQuery({ sort: order, cursor: undefined })
            }}
            nameOf={({ sellerSku, id }) => sellerSku ?? `item ${id}`}
            {...(requeueable && {
              selected,
              onSelect: setSelected,
              action: {
                label: 'Reupload to Shop',
                of: ({ id, sellerSku }: Item) => (
                  <IconButton
                    name="repeat"
                    disabled={!mayWrite()}
                    tooltip={
                      mayWrite() ? `Reupload ${sellerSku ?? `item ${id}`} and its product set to Shop` : READ_ONLY
                    }
                    onClick={() => setTarget({ itemIds: [id] })}
                  />
                ),
              },
            })}
          />
          <div className={styles.pager}>
            <Button
              variant="secondary"
              size="sm"
              icon="angle-left"
              disabled={!cursor}
              onClick={() => turnTo({ cursor: trail[place - 1] })}
            >
              {place > 0 ? 'Previous' : 'First page'}
            </Button>
            <Button
              variant="secondary"
              size="sm"
              icon="angle-right"
              iconPlacement="right"
              disabled={!data.nextCursor || isPlaceholderData}
              onClick={() => {
                const next = data.nextCursor ?? undefined
                setTrail([...(place < 0 ? [cursor] : trail.slice(0, place + 1)), next])
                turnTo({ cursor: next })
              }}
            >
              Next
            </Button>
          </div>
        </>
      )}
      {discarded && (
        <DiscardDialog
          target={discarded}
          known={data?.items ?? []}
          onClose={(done) => {
            setDiscarded(null)
            if (done && 'itemIds' in discarded) setSelected(NONE)
          }}
        />
      )}
      {target && (
        <RequeueDialog
          target={target}
          known={data?.items ?? []}
          include={include}
          onClose={(done) => {
            setTarget(null)
            if (done && 'itemIds' in target)
              setSelected(new Set([...selected].filter((id) => !target.itemIds.includes(id))))
          }}
        />
      )}
    </Page>
  )
}

/** The chosen columns from the URL; unknown names are ignored. */
function columnsOf(tab: Tab, picked: string | undefined): ColumnName[] {
  const known = picked?.split('.').filter((name): name is ColumnName => COLUMN_NAMES.includes(name as ColumnName)) ?? []
  return known.length > 0 ? known : TAB_COLUMNS[tab]
}

const defined = (selection: Selection): Selection =>
  Object.fromEntries(Object.entries(selection).filter(([, value]) => value))

/** Grafana's short link to the present view of the list. */
function Share() {
  const share = async () => {
    const { pathname, search } = locationService.getLocation()
    const path = `${locationUtil.stripBaseFromUrl(pathname)}${search}`.replace(/^\//, '')
    const { data } = await lastValueFrom(
      getBackendSrv().fetch<{ url: string }>({ url: '/api/short-urls', method: 'POST', data: { path } }),
    )
    try {
      await navigator.clipboard.writeText(data.url)
      getAppEvents().publish({
        type: AppEvents.alertSuccess.name,
        payload: ['A short link to this list is in the clipboard'],
      })
    } catch {
      // plain HTTP has no clipboard: the user copies the link from the message
      getAppEvents().publish({ type: AppEvents.alertSuccess.name, payload: ['A short link to this list', data.url] })
    }
  }
  return (
    <ToolbarButton
      icon="share-alt"
      variant="canvas"
      onClick={() => void share()}
      tooltip="Share: copy a short link to what this list shows"
    >
      Share
    </ToolbarButton>
  )
}

function Nothing({ tab, filtered, q }: { tab: Tab; filtered: boolean; q: string | undefined }) {
  if (!filtered) return <EmptyState variant="completed" message={`Nothing is ${TAB_LABELS[tab]}`} />
  return (
    <EmptyState
      variant="not-found"
      message="No item matches"
      button={
        <Button
          variant="secondary"
          onClick={() =>
            changeQuery({
              q: undefined,
              topic: undefined,
              status: undefined,
              reason: undefined,
              cause: undefined,
              seller: undefined,
              from: undefined,
              to: undefined,
              cursor: undefined,
            })
          }
        >
          Show all
        </Button>
      }
    >
      {q ? (
        <>
          <Link to={pageUrl('overview', { q })} inText>
            Search all lists for “{q}”
          </Link>
          , whatever the other filters. {SEARCHED}
        </>
      ) : (
        'Another list may have it. A seller is found by their whole name or id.'
      )}
    </EmptyState>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  bar: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: theme.spacing(1),
    margin: theme.spacing(1, 0),
  }),
  pager: css({ display: 'flex', justifyContent: 'flex-end', gap: theme.spacing(1), marginTop: theme.spacing(1) }),
  count: css({ flex: 1, color: theme.colors.text.secondary }),
})
