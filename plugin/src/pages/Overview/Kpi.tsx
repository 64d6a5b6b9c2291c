import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Icon, useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Kpis } from '../../../../worker/api/internal/schemas.ts'
import { duration } from '../../components/Time.tsx'

const LABELS: Record<keyof Kpis, string> = {
  '24h': '24 hours',
  '7d': '7 days',
  '14d': '14 days',
  '30d': '30 days',
  '90d': '90 days',
}
const percent = (ratio: number | null): string => (ratio === null ? '–' : `${(ratio * 100).toFixed(1)} %`)

/** The Sync KPI of one window; its trend compares it with the next longer window. */
export function Kpi({ window, kpi, longer }: { window: keyof Kpis; kpi: Kpis[keyof Kpis]; longer: Kpis[keyof Kpis] }) {
  const styles = useStyles2(getStyles)
  const change = kpi.ratio !== null && longer.ratio !== null ? kpi.ratio - longer.ratio : 0
  return (
    <section className={styles.panel} aria-label={`Last ${LABELS[window]}`}>
      <div className={styles.small}>Last {LABELS[window]}</div>
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
