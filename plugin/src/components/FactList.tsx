import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { useStyles2 } from '@grafana/ui'
import React, { type ReactNode } from 'react'

/** `wide` takes two columns: what is long, as a SKU, stays on one line. */
export type Fact = [name: string, value: ReactNode, width?: 'wide']

/** What is known of something, each fact by its name. */
export function FactList({ facts }: { facts: Fact[] }) {
  const styles = useStyles2(getStyles)
  return (
    <dl className={styles.facts}>
      {facts.map(([name, value, width]) => (
        <div key={name} className={width && styles.wide}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  facts: css({
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fill, minmax(180px, 1fr))',
    gap: theme.spacing(1.5),
    margin: 0,
    dt: { color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize, fontWeight: 'normal' },
    dd: { margin: 0, overflowWrap: 'anywhere' },
  }),
  wide: css({ [theme.breakpoints.up('md')]: { gridColumn: 'span 2' } }),
})
