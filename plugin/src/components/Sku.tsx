import { css, cx } from '@emotion/css'
import { useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Item } from '../../../worker/api/internal/schemas.ts'

/**
 * A SKU. It stays on one line as long as that is no longer than most SKUs are, although it has hyphens; a longer one
 * breaks anywhere, so that it makes no table wider than the page. Of those of a whole set there are two lines, and all
 * on hover.
 */
export function Sku({
  children,
  isShops = false,
  isOfSet = false,
}: {
  children: string
  isShops?: boolean
  isOfSet?: boolean
}) {
  const styles = useStyles2(getStyles)
  const one = cx(styles.sku, isShops && styles.shops)
  return isOfSet ? (
    <span className={cx(one, styles.several)} title={children}>
      {children}
    </span>
  ) : (
    <span className={one}>{children}</span>
  )
}

const LONGEST_LINE = '24ch'
/** Those of the Shop are shorter. */
const LONGEST_OF_SHOP = '18ch'

const getStyles = () => ({
  sku: css({
    display: 'inline-block',
    width: 'max-content',
    maxWidth: LONGEST_LINE,
    overflowWrap: 'anywhere',
    verticalAlign: 'top',
  }),
  shops: css({ maxWidth: LONGEST_OF_SHOP }),
  several: css({
    display: '-webkit-inline-box',
    WebkitBoxOrient: 'vertical',
    WebkitLineClamp: 2,
    overflow: 'hidden',
  }),
})

/** The SKU of an item for a line of text: of a whole set the first, since there is no room for all. */
export function firstSku({ sellerSku, productId }: Pick<Item, 'sellerSku' | 'productId'>): string | null {
  if (sellerSku === null || productId !== null) return sellerSku
  const [first, ...others] = sellerSku.split(', ')
  return others.length > 0 ? `${first} and others` : sellerSku
}
