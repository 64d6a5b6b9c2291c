import { css } from '@emotion/css'
import { type GrafanaTheme2, locationUtil } from '@grafana/data'
import { Alert, LinkButton, LoadingPlaceholder, useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Summary } from '../../../../worker/api/internal/schemas.ts'
import { explain, explainStatus } from '../../../../worker/domain/explanations.ts'
import { WINDOW_NAMES } from '../../../../worker/domain/windows.ts'
import { useCharts, useKpis, useSummary } from '../../api/numbers.ts'
import { mayWrite } from '../../app.ts'
import { AsOf } from '../../components/AsOf.tsx'
import { Link } from '../../components/Link.tsx'
import { MadeUp } from '../../components/MadeUp.tsx'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Status, StatusCount } from '../../components/Status.tsx'
import { Table } from '../../components/Table.tsx'
import { Age } from '../../components/Time.tsx'
import { pageUrl, useRoute } from '../../location.ts'
import { Found } from './Found.tsx'
import { FoundProducts } from './FoundProducts.tsx'
import { Kpi } from './Kpi.tsx'
import { OverTime } from './OverTime.tsx'

export function Overview() {
  const styles = useStyles2(getStyles)
  const { query } = useRoute()
  const summary = useSummary()
  const kpis = useKpis()
  const window = WINDOW_NAMES.find((name) => name === query.window) ?? '24h'
  const charts = useCharts(window)
  return (
    <Page actions={<Elsewhere />}>
      {query.q && <FoundProducts q={query.q} />}
      {(query.q || query.set) && <Found key={`${query.q} ${query.set}`} q={query.q} set={query.set} />}
      {summary.error && <Problem error={summary.error} retry={summary.refetch} />}
      {!summary.data && !summary.error && <LoadingPlaceholder text="Loading the numbers …" />}
      {summary.data && <Message summary={summary.data} />}
      <MadeUp />
      <Section title="Synced of what was queued">
        {kpis.error && !summary.error && <Problem error={kpis.error} retry={kpis.refetch} />}
        <div className={styles.kpis}>
          {kpis.data &&
            WINDOW_NAMES.map((name, place) => (
              <Kpi
                key={name}
                window={name}
                kpi={kpis.data[name]}
                longer={kpis.data[WINDOW_NAMES[place + 1] ?? name]}
                shares={charts.data?.shares[name]}
              />
            ))}
        </div>
      </Section>
      <OverTime window={window} charts={charts.data}>
        {charts.error && !summary.error && <Problem error={charts.error} retry={charts.refetch} />}
        {!charts.data && !charts.error && <LoadingPlaceholder text="Loading the charts …" />}
      </OverTime>
      {summary.data && <Statuses summary={summary.data} />}
      <AsOf query={summary} />
    </Page>
  )
}

/** The former Kibana; the dashboard Analytics is a tab. */
const Elsewhere = () => (
  <>
    <LinkButton variant="secondary" icon="gf-logs" href={locationUtil.assureBaseUrl('/d/shop-update-logs')}>
      Logs
    </LinkButton>
    <LinkButton variant="secondary" icon="pause" href={locationUtil.assureBaseUrl(pageUrl('pauses'))}>
      Pauses
    </LinkButton>
    {mayWrite() && (
      <LinkButton variant="secondary" icon="history" href={locationUtil.assureBaseUrl(pageUrl('runs'))}>
        Runs
      </LinkButton>
    )}
  </>
)

const products = (n: number): string => `${n.toLocaleString('en')} product change${n === 1 ? '' : 's'}`

/**
 * "The message on top": what is to be sent, what waits for the Shop and, apart from these, what is blocked, split into
 * normal and not.
 */
function Message({ summary: { toSend, awaitingShop, blocked, toResolve, stranded, flow } }: { summary: Summary }) {
  const behind = flow.workers.filter((worker) => worker.flow !== flow.wanted).length
  const undecided = toResolve.filter(({ count }) => count > 0)
  // counted a moment later, and only up to a limit
  const waiting = Math.max(0, blocked - stranded - undecided.reduce((sum, { count }) => sum + count, 0))
  return (
    <>
      <Alert
        severity="info"
        topSpacing={2}
        title={
          `${products(toSend)} to be sent to the Shop, ` +
          `${products(awaitingShop)} waiting for its acknowledgment or answer`
        }
      >
        {waiting > 0 && (
          <>
            {waiting.toLocaleString('en')} more {waiting === 1 ? 'is' : 'are'}{' '}
            <Link to={pageUrl('blocked')} inText>
              blocked
            </Link>{' '}
            until {waiting === 1 ? 'its product has' : 'their products have'} been created in the Shop
            {stranded === 0 && ', which is normal'}.{' '}
          </>
        )}
        Products are sent in the <strong>{flow.wanted}</strong> flow
        {flow.workers.length === 0
          ? '; no worker is running.'
          : behind > 0
            ? `; ${behind} of ${flow.workers.length} workers still use the other one.`
            : '.'}
      </Alert>
      {(undecided.length > 0 || stranded > 0) && (
        <Alert severity="warning" title="Blocked until an admin acts">
          {undecided.length > 0 && (
            <div>
              To be decided:{' '}
              {undecided.map(({ reason, count }, place) => (
                <React.Fragment key={reason}>
                  {place > 0 && ', '}
                  <Link to={pageUrl('blocked', { reason })} inText>
                    {count.toLocaleString('en')} as {explain(reason).label}
                  </Link>
                </React.Fragment>
              ))}
            </div>
          )}
          {stranded > 0 && (
            <div>
              Of those that have been{' '}
              <Link to={pageUrl('blocked', { sort: 'queuedAt' })} inText>
                blocked for longest
              </Link>
              , {stranded.toLocaleString('en')} wait{stranded === 1 ? 's' : ''} for a creation that has Failed or is not
              in the queue.
            </div>
          )}
        </Alert>
      )}
    </>
  )
}

function Statuses({ summary: { byStatus } }: { summary: Summary }) {
  return (
    <Section title="Items by status">
      <Table
        label="Items by status"
        rows={byStatus.map((row) => ({ id: row.status, ...row }))}
        columns={[
          { name: 'status', label: 'Status', cell: ({ status }) => <Status status={status} /> },
          {
            name: 'count',
            label: 'Items',
            cell: ({ status, count }) => <StatusCount status={status} count={count} />,
          },
          {
            name: 'oldest',
            label: 'Oldest',
            cell: ({ oldestAt }) => (oldestAt ? <Age since={oldestAt} /> : '–'),
          },
          { name: 'meaning', label: 'Meaning', cell: ({ status }) => explainStatus(status) },
        ]}
      />
    </Section>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  kpis: css({ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(160px, 1fr))', gap: theme.spacing(1) }),
})
