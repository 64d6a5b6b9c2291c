import { css } from '@emotion/css'
import { useStyles2 } from '@grafana/ui'
import React from 'react'

/**
 * A SKU. It stays on one line as long as that is no longer than most SKUs are, although it has hyphens; a longer one
 * breaks anywhere, so that it makes no table wider than the page.
 */
export function Sku({ children }: { children: string }) {
  const styles = useStyles2(getStyles)
  return <span className={styles.sku}>{children}</span>
}

const LONGEST_LINE = '24ch'

const getStyles = () => ({
  sku: css({
    display: 'inline-block',
    width: 'max-content',
    maxWidth: LONGEST_LINE,
    overflowWrap: 'anywhere',
    verticalAlign: 'top',
  }),
})
