import { Alert, Button, LoadingPlaceholder, Stack } from '@grafana/ui'
import React, { useState } from 'react'
import type { Item } from '../../../../worker/api/internal/schemas.ts'
import { useItems } from '../../api/items.ts'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Table } from '../../components/Table.tsx'
import { type ColumnName, column } from '../Queue/columns.tsx'
import { FIRST_ONLY } from '../Queue/Filters.tsx'

const COLUMNS: ColumnName[] = ['sellerSku', 'sku', 'topic', 'status', 'queuedAt', 'productSetId']
const FIRST = 20
/** The API's largest page. */
const MOST = 500

/** Search results, from the queue and from synced items: by words, or all of a product set. */
export function Found({ q, set }: { q: string | undefined; set: string | undefined }) {
  const [limit, setLimit] = useState(FIRST)
  const { data, error } = useItems({ q, set, limit: String(limit) }, 5000)
  const columns = COLUMNS.map((name) => ({ name: name as string, ...column(name) }))
  return (
    <Section title={[q && `Items for “${q}”`, set && `All of product set ${set}`].filter(Boolean).join(', ')}>
      {error && <Problem error={error} />}
      {!data && !error && <LoadingPlaceholder text="Searching …" />}
      {data?.truncated && <Alert severity="warning" title={FIRST_ONLY} />}
      {data?.items.length === 0 && !data.truncated && (
        <Alert severity="info" title="No item in the queue or among what was Synced matches">
          {q && 'Items are found by the beginning of a SKU, by an id, or by the whole name of a seller.'}
        </Alert>
      )}
      {data && data.items.length > 0 && (
        <Table<Item>
          label="Found"
          rows={data.items}
          columns={q ? [...columns, { name: 'match', label: 'Found by', cell: (item) => matches(item, q) }] : columns}
        />
      )}
      {data?.nextCursor && (
        <Stack alignItems="center" gap={1}>
          <span>The newest {data.items.length.toLocaleString('en')} are shown.</span>
          {limit < MOST ? (
            <Button size="sm" variant="secondary" onClick={() => setLimit(Math.min(limit * 5, MOST))}>
              Show more
            </Button>
          ) : (
            q && <span>The lists have the rest, with the same search.</span>
          )}
        </Stack>
      )}
    </Section>
  )
}

/** Which of its fields matches the words: a number may be the id of several things. */
function matches({ id, sellerSku, sku, productId, productSetId, requestId, sellerName }: Item, q: string): string {
  // for an item about a whole set, the SKUs of its first variations
  const begins = (skus: string | null) => skus?.split(', ').some((one) => one.startsWith(q))
  const fields: [string, boolean | undefined][] = [
    ['Seller SKU', begins(sellerSku)],
    ['SKU', begins(sku)],
    ['Product', productId === q],
    ['Product set', productSetId === q],
    ['Item', id === q],
    ['Request ID', requestId === q],
    ['Seller', sellerName?.toLowerCase() === q.toLowerCase()],
  ]
  const found = fields.filter(([, isMatch]) => isMatch).map(([name]) => name)
  return found.length > 0 ? found.join(', ') : 'a variation, or an earlier request'
}
