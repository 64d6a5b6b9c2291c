import { Alert, Button, Field, LoadingPlaceholder, Stack, TextArea } from '@grafana/ui'
import React, { useState } from 'react'
import type { Product } from '../../../../worker/api/internal/schemas.ts'
import { BYTE_ORDER_MARK, line } from '../../../../worker/domain/csv.ts'
import { VERDICT_LABELS } from '../../../../worker/domain/product-verdict.ts'
import { pastedSkus, SKUS_A_LIST } from '../../../../worker/domain/search.ts'
import { useSkus } from '../../api/products.ts'
import { ACTS } from '../../components/acts.ts'
import { counted } from '../../components/counted.ts'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Sku } from '../../components/Sku.tsx'
import { Table, type TableColumn } from '../../components/Table.tsx'
import { PRODUCT_COLUMNS } from './columns.tsx'
import { keepPasted, pastedText } from './pasted.ts'
import { SendTopics } from './SendTopics.tsx'

interface Row {
  id: string
  sku: string
  product: Product | null
}

/** How it stands with each of many SKUs. */
export function Skus() {
  const [text, setText] = useState(pastedText)
  const [asked, setAsked] = useState(() => pastedSkus(text))
  const looked = asked.slice(0, SKUS_A_LIST)
  const { data, error, refetch } = useSkus(looked)
  const rows: Row[] =
    data?.rows.flatMap(({ sku, products }): Row[] =>
      products.length === 0
        ? [{ id: sku, sku, product: null }]
        : products.map((product) => ({ id: `${sku} ${product.id}`, sku, product })),
    ) ?? []
  // one may be found by both of its SKUs
  const products = [...new Map(rows.flatMap(({ product }) => (product ? [[product.id, product]] : []))).values()]
  const unknown = data?.rows.filter(({ products }) => products.length === 0).length ?? 0
  return (
    <Page title="Many SKUs">
      <Field label="SKUs" description="One a line, the seller's or the Shop's, in any case">
        <TextArea id="skus" rows={6} value={text} onChange={(event) => setText(event.currentTarget.value)} />
      </Field>
      <Stack gap={1}>
        <Button
          icon="search"
          onClick={() => {
            keepPasted(text) // for the way back
            setAsked(pastedSkus(text))
          }}
        >
          Look them up
        </Button>
        <Button variant="secondary" icon="download-alt" disabled={rows.length === 0} onClick={() => download(rows)}>
          CSV
        </Button>
        <SendTopics products={products} />
      </Stack>
      {asked.length > looked.length && (
        <Alert severity="warning" topSpacing={2} title={`The first ${SKUS_A_LIST} of ${counted(asked.length, 'SKU')}`}>
          The others were not looked up.
        </Alert>
      )}
      {error && <Problem error={error} retry={refetch} />}
      {looked.length > 0 && !data && !error && <LoadingPlaceholder text="Looking them up …" />}
      {data && (
        <Section title={`${counted(data.rows.length, 'SKU')}, ${unknown.toLocaleString('en')} of them unknown`}>
          <Table label="SKUs" rows={rows} columns={COLUMNS} />
        </Section>
      )}
    </Page>
  )
}

const COLUMNS: TableColumn<Row>[] = [
  // what was looked up is one of its two SKUs
  ...PRODUCT_COLUMNS.map(({ name, label, cell }) => ({
    name,
    label,
    cell: ({ sku, product }: Row) => {
      if (product) return cell(product)
      return name === 'sellerSku' ? <Sku>{sku}</Sku> : name === 'title' ? 'There is no such SKU' : '–'
    },
  })),
]

const CSV: [string, (row: Row) => string | null | undefined][] = [
  ['Looked up', ({ sku }) => sku],
  ['Seller SKU', ({ product }) => product?.sellerSku],
  ['SKU', ({ product }) => product?.sku],
  ['Title', ({ product }) => product?.title],
  ['Seller', ({ product }) => product?.sellerName],
  ['Product set', ({ product }) => product?.productSetId],
  ['How it stands', ({ product }) => (product ? VERDICT_LABELS[product.verdict.code] : 'There is no such SKU')],
  ['In words', ({ product }) => product?.verdict.text],
  ['Since', ({ product }) => product?.verdict.since],
  ['Next attempt', ({ product }) => product?.verdict.next],
  ['Who acts', ({ product }) => product && ACTS[product.verdict.whoActs]],
]

function download(rows: readonly Row[]): void {
  const lines = [CSV.map(([name]) => name), ...rows.map((row) => CSV.map(([, cell]) => cell(row)))]
  const file = new Blob([BYTE_ORDER_MARK, ...lines.map(line)], { type: 'text/csv;charset=utf-8' })
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = 'shop-update-skus.csv'
  link.click()
  URL.revokeObjectURL(link.href)
}
