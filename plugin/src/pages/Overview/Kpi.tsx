import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Icon, useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Kpis } from '../../../../worker/api/internal/schemas.ts'
import { WINDOWS, type Window } from '../../../../worker/domain/windows.ts'
import { Trend } from '../../components/charts/Trend.tsx'
import { duration } from '../../components/Time.tsx'

export const percent = (ratio: number | null): string => (ratio === null ? '–' : `${(ratio * 100).toFixed(1)} %`)

/** The Sync KPI of one window; its arrow compares it with the next longer window, its line shows how it went. */
export function Kpi({
  window,
  kpi,
  longer,
  shares,
}: {
  window: Window
  kpi: Kpis[Window]
  longer: Kpis[Window]
  /** Of its parts; undefined while they are loaded. */
  shares: readonly (number | null)[] | undefined
}) {
  const styles = useStyles2(getStyles)
  const change = kpi.ratio !== null && longer.ratio !== null ? kpi.ratio - longer.ratio : 0
  return (
    <section className={styles.panel} aria-label={`Last ${WINDOWS[window].label}`}>
      <div className={styles.small}>Last {WINDOWS[window].label}</div>
      <div className={styles.value}>
        {percent(kpi.ratio)}{' '}
        {Math.abs(change) >= 0.001 && (
          <span title={`${percent(longer.ratio)} in the next longer window`}>
            <Icon
              name={change > 0 ? 'arrow-up' : 'arrow-down'}
              title={change > 0 ? 'better than the next longer window' : 'worse than the next longer window'}
            />
          </span>
        )}
      </div>
      {shares && <Shares window={window} shares={shares} />}
      <div className={styles.small}>
        {kpi.synced.toLocaleString('en')} of {kpi.queued.toLocaleString('en')} synced
      </div>
      <div className={styles.small}>{kpi.requests.toLocaleString('en')} requests sent</div>
      <div className={styles.small}>
        {kpi.p50Seconds === null
          ? 'none synced'
          : `half within ${duration(kpi.p50Seconds)}, 95 % within ${duration(kpi.p95Seconds ?? 0)}`}
      </div>
    </section>
  )
}

function Shares({ window, shares }: { window: Window; shares: readonly (number | null)[] }) {
  const known = shares.filter((share) => share !== null)
  if (known.length < 2) return null // no line yet
  const [least, most] = [Math.min(...known), Math.max(...known)]
  const label = `The share over ${WINDOWS[window].label}, from ${percent(least)} to ${percent(most)}`
  return <Trend values={shares} label={label} />
}

const getStyles = (theme: GrafanaTheme2) => ({
  panel: css({
    padding: theme.spacing(1.5),
    background: theme.colors.background.secondary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
  }),
  value: css({ fontSize: theme.typography.h2.fontSize, fontWeight: theme.typography.fontWeightMedium }),
  small: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
})
