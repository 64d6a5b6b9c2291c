import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { useStyles2 } from '@grafana/ui'
import React, { type ReactNode } from 'react'

/** A part of a page that a screen reader can jump to. */
export function Section({ title, children }: { title: string; children: ReactNode }) {
  const styles = useStyles2(getStyles)
  return (
    <section aria-label={title}>
      <h2 className={styles.title}>{title}</h2>
      {children}
    </section>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  title: css({ ...theme.typography.h4, marginTop: theme.spacing(2) }),
})
