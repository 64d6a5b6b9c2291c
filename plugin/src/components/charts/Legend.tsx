import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { useStyles2, useTheme2 } from '@grafana/ui'
import React from 'react'
import { withZone } from '../Time.tsx'
import { type Series, shown } from './series.ts'

/** Each series with its value at one time; it wraps, so that nothing of it is cut. */
export function Legend({
  series,
  at,
  place,
  format,
}: {
  series: readonly Series[]
  at: string
  place: number
  format(value: number): string
}) {
  const styles = useStyles2(getStyles)
  const theme = useTheme2()
  return (
    <div className={styles.legend}>
      <ul className={styles.list}>
        {series.map(({ name, color, dash, values }) => (
          <li key={name} className={styles.entry}>
            <svg width={24} height={8} aria-hidden="true">
              <line
                x1={0}
                y1={4}
                x2={24}
                y2={4}
                stroke={theme.visualization.getColorByName(color)}
                strokeWidth={3}
                strokeDasharray={dash?.join(' ')}
              />
            </svg>
            {name} <strong>{shown(values[place], format)}</strong>
          </li>
        ))}
      </ul>
      <span className={styles.time}>from {withZone(at)}</span>
    </div>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  legend: css({
    display: 'flex',
    flexWrap: 'wrap',
    gap: theme.spacing(0, 2),
    justifyContent: 'space-between',
    margin: theme.spacing(0.5, 0),
  }),
  list: css({ display: 'flex', flexWrap: 'wrap', gap: theme.spacing(0, 2), listStyle: 'none' }),
  entry: css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(0.75),
    fontSize: theme.typography.bodySmall.fontSize,
    whiteSpace: 'nowrap',
  }),
  time: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
})
