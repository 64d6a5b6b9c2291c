import React from 'react'
import type { Product } from '../../../../worker/api/internal/schemas.ts'
import { ACTORS } from '../../components/acts.ts'
import { Link } from '../../components/Link.tsx'
import { Sku } from '../../components/Sku.tsx'
import type { TableColumn } from '../../components/Table.tsx'
import { Due, Time } from '../../components/Time.tsx'
import { Verdict } from '../../components/Verdict.tsx'
import { pageUrl } from '../../location.ts'

export const productUrl = ({ id, productSetId }: Pick<Product, 'id' | 'productSetId'>): string =>
  pageUrl(`products/${productSetId}`, { product: id })

/** Of a list of products. */
export const PRODUCT_COLUMNS: TableColumn<Product>[] = [
  {
    name: 'sellerSku',
    label: 'Seller SKU',
    cell: (product) => (
      <Link to={productUrl(product)}>
        <Sku>{product.sellerSku}</Sku>
      </Link>
    ),
  },
  { name: 'sku', label: 'SKU', cell: ({ sku }) => (sku === null ? '–' : <Sku isShops>{sku}</Sku>) },
  { name: 'title', label: 'Title', cell: ({ title }) => title ?? '–' },
  {
    name: 'seller',
    label: 'Seller',
    cell: ({ sellerId, sellerName }) => <Link to={pageUrl(`sellers/${sellerId}`)}>{sellerName}</Link>,
  },
  { name: 'verdict', label: 'How it stands', cell: ({ verdict }) => <Verdict {...verdict} /> },
  { name: 'since', label: 'Since', cell: ({ verdict }) => <Time at={verdict.since} /> },
  {
    name: 'next',
    label: 'Next attempt',
    cell: ({ verdict }) => (verdict.next === null ? '–' : <Due at={verdict.next} />),
  },
  {
    name: 'whoActs',
    label: 'Who acts',
    cell: ({ verdict }) => <span style={{ whiteSpace: 'nowrap' }}>{ACTORS[verdict.whoActs]}</span>,
  },
]
