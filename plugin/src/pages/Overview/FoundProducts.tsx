import { Alert, Button, LoadingPlaceholder } from '@grafana/ui'
import React, { useState } from 'react'
import { FRAGMENT_LENGTH, PRODUCTS_A_FRAGMENT } from '../../../../worker/domain/search.ts'
import { useSearch } from '../../api/products.ts'
import { Link } from '../../components/Link.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Table } from '../../components/Table.tsx'
import { pageUrl } from '../../location.ts'
import { PRODUCT_COLUMNS } from '../Products/columns.tsx'

/** More are a click away: what else was found is below. */
const AT_FIRST = 10

/** Products of the catalogue, in the queue or not, and sellers. */
export function FoundProducts({ q }: { q: string }) {
  const { data, error } = useSearch(q)
  const [all, setAll] = useState(false)
  const shown = data?.products.slice(0, all ? undefined : AT_FIRST) ?? []
  return (
    <Section title={`Products for “${q}”`}>
      {error && <Problem error={error} />}
      {!data && !error && <LoadingPlaceholder text="Searching …" />}
      {data?.sellers.map(({ id, name, active }) => (
        <p key={id}>
          Seller <Link to={pageUrl(`sellers/${id}`)}>{name}</Link>
          {!active && ', not active'}
        </p>
      ))}
      {shown.length > 0 && <Table label="Products found" rows={shown} columns={PRODUCT_COLUMNS} />}
      {data && data.products.length > shown.length && (
        <Button size="sm" variant="secondary" fill="text" onClick={() => setAll(true)}>
          Show {data.truncated ? 'the first' : 'all'} {data.products.length}
        </Button>
      )}
      {all && data?.truncated && (
        <Alert severity="info" title={`More than ${PRODUCTS_A_FRAGMENT} products contain this`}>
          The first {PRODUCTS_A_FRAGMENT} are shown; give more of the SKU or title.
        </Alert>
      )}
      {data?.products.length === 0 && (
        <p>
          No product of the catalogue {data.tooShort ? 'is exactly this' : 'contains this'}
          {data.tooShort && `; with ${FRAGMENT_LENGTH} letters or digits in a row, a part is enough`}.
        </p>
      )}
    </Section>
  )
}
