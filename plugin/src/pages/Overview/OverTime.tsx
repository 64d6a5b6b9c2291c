import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { RadioButtonGroup, useStyles2 } from '@grafana/ui'
import React, { type ReactNode, useMemo } from 'react'
import type { Charts } from '../../../../worker/api/internal/schemas.ts'
import { STATUS_COLORS } from '../../../../worker/domain/colors.ts'
import type { Status } from '../../../../worker/domain/statuses.ts'
import { shareOf, WINDOW_NAMES, WINDOWS, type Window } from '../../../../worker/domain/windows.ts'
import { Chart } from '../../components/charts/Chart.tsx'
import { type Series, withSomething } from '../../components/charts/series.ts'
import { Section } from '../../components/Section.tsx'
import { changeQuery } from '../../location.ts'
import { percent } from './Kpi.tsx'

/** Those that people look for are told apart without their colours, too. */
const DASHES: Partial<Record<Status, number[]>> = {
  got_acknowledgment: [2, 3],
  delayed: [8, 4],
  blocked: [12, 3, 2, 3],
}

/** Most of it is Synced: from nought, nothing could be told apart. */
const SHARES = { softMin: 0.9, softMax: 1, max: 1 }

const whole = (n: number): string => Math.round(n).toLocaleString('en')

/** The queue, the share that is Synced and the calls over a window that is in the URL. */
export function OverTime({
  window,
  charts,
  children,
}: {
  window: Window
  charts: Charts | undefined
  /** What is said while there are none. */
  children: ReactNode
}) {
  const styles = useStyles2(getStyles)
  return (
    <Section title="Over time">
      <RadioButtonGroup<Window>
        aria-label="Window of the charts"
        size="sm"
        value={window}
        options={WINDOW_NAMES.map((value) => ({ value, label: WINDOWS[value].label }))}
        onChange={(value) => changeQuery({ window: value })}
      />
      {children}
      {charts && (
        <div className={styles.charts}>
          <QueueChart queue={charts.queue} window={charts.window} />
          <SyncedChart synced={charts.synced} window={charts.window} />
          <CallsChart calls={charts.calls} window={charts.window} />
        </div>
      )}
    </Section>
  )
}

function QueueChart({ queue: { times, byStatus }, window }: { queue: Charts['queue']; window: Window }) {
  const minutes = WINDOWS[window].queueMinutes
  const each = minutes < 60 ? `${minutes} minutes` : hours(minutes / 60)
  const series = useMemo(() => {
    const all: Series[] = byStatus.map(({ status, label, counts }) => ({
      name: label,
      color: STATUS_COLORS[status],
      values: counts,
      ...(DASHES[status] && { dash: DASHES[status] }),
    }))
    const some = withSomething(all)
    return some.length > 0 ? some : all.slice(0, 1) // an empty queue is a line at nought
  }, [byStatus])
  return (
    <Chart
      title="Queue by status"
      description={`Items that are not Synced, on average for each ${each}. A high number of \
Blocked ones is normal: their products are not in the Shop yet.`}
      times={times}
      series={series}
      format={whole}
      none="The queue is counted every five minutes; it has not been yet."
    />
  )
}

function SyncedChart({ synced: { times, queued, synced }, window }: { synced: Charts['synced']; window: Window }) {
  const series = useMemo(
    () => [{ name: 'Synced', color: 'green', values: synced.map((n, place) => shareOf(n, queued[place]!)) }],
    [queued, synced],
  )
  return (
    <Chart
      title="Share that is Synced"
      description={`Of what was queued in each ${part(window)}, the share that is Synced by now. What was queued just \
now is on its way.`}
      times={times}
      series={series}
      axis={SHARES}
      format={percent}
      none="Nothing was queued in this time."
    />
  )
}

function CallsChart({ calls: { times, successful, failed }, window }: { calls: Charts['calls']; window: Window }) {
  const series = useMemo(
    () =>
      [...successful, ...failed].some((n) => n > 0)
        ? [
            { name: 'Successful', color: 'green', values: successful },
            { name: 'Failed', color: 'red', values: failed },
          ]
        : [],
    [successful, failed],
  )
  return (
    <Chart
      title="Calls to the Shop"
      description={`In each ${part(window)}. Successful: answered with success, or acknowledged. Failed, on top: \
answered otherwise, or not at all.`}
      times={times}
      series={series}
      bars
      format={whole}
      none="No call was made in this time."
    />
  )
}

const hours = (n: number): string => (n === 1 ? 'hour' : `${n} hours`)
const part = (window: Window): string => hours(WINDOWS[window].partHours)

const getStyles = (theme: GrafanaTheme2) => ({
  charts: css({
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 440px), 1fr))',
    gap: theme.spacing(1),
    marginTop: theme.spacing(1),
    '& > :first-child': { gridColumn: '1 / -1' },
  }),
})
