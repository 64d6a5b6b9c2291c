import { Alert, EmptyState, LoadingPlaceholder } from '@grafana/ui'
import React from 'react'
import type { Seller as Seller_ } from '../../../../worker/api/internal/schemas.ts'
import { ID } from '../../../../worker/domain/ids.ts'
import { ApiError } from '../../api/client.ts'
import { useSeller } from '../../api/products.ts'
import { causeName } from '../../components/causeName.ts'
import { counted } from '../../components/counted.ts'
import { MadeUp } from '../../components/MadeUp.tsx'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Status, StatusCount } from '../../components/Status.tsx'
import { Table } from '../../components/Table.tsx'
import { Time } from '../../components/Time.tsx'

/** How it stands with a seller. */
export function Seller({ id }: { id: string }) {
  const isId = ID.test(id)
  const { data: seller, error, refetch } = useSeller(id, isId)
  const isMissing = !isId || (error instanceof ApiError && error.status === 404)
  return (
    <Page title={seller?.name ?? `Seller ${id}`}>
      {isMissing && <EmptyState variant="not-found" message="There is no such seller" />}
      {error && !isMissing && <Problem error={error} retry={refetch} />}
      {!seller && !error && !isMissing && <LoadingPlaceholder text="Loading the seller …" />}
      {seller && <MadeUp />}
      {seller && <Whole seller={seller} />}
    </Page>
  )
}

function Whole({ seller: { id, active, products, notInShop, byStatus, synced, causes } }: { seller: Seller_ }) {
  return (
    <>
      {!active && (
        <Alert severity="warning" title="This seller is not active">
          Customers see none of the products, and no requeue takes them.
        </Alert>
      )}
      <p>
        {counted(products, 'product')}, of which {notInShop.toLocaleString('en')} {notInShop === 1 ? 'is' : 'are'} not
        in the Shop. {syncedOf(synced)}
      </p>
      <Section title="In the queue">
        {byStatus.length === 0 ? (
          <p>Nothing of this seller is in the queue.</p>
        ) : (
          <Table
            label="Items by status"
            rows={byStatus.map((row) => ({ id: row.status, ...row }))}
            columns={[
              { name: 'status', label: 'Status', cell: ({ status }) => <Status status={status} /> },
              {
                name: 'count',
                label: 'Items',
                cell: ({ status, count }) => <StatusCount status={status} count={count} seller={id} />,
              },
              { name: 'oldest', label: 'Oldest queued', cell: ({ oldestAt }) => <Time at={oldestAt} /> },
            ]}
          />
        )}
      </Section>
      {causes.length > 0 && (
        <Section title="Causes">
          <Table
            label="Causes"
            rows={causes}
            columns={[
              { name: 'cause', label: 'Cause', cell: (cause) => causeName(cause) },
              { name: 'count', label: 'Items', cell: ({ count }) => count.toLocaleString('en') },
            ]}
          />
        </Section>
      )}
    </>
  )
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`

const syncedOf = ({ count, within10Minutes, within24Hours }: Seller_['synced']): string =>
  count === 0
    ? 'Nothing was Synced within the last day.'
    : `${counted(count, 'change')} Synced within the last day, ${percent(within10Minutes, count)} of them within ten ` +
      `minutes and ${percent(within24Hours, count)} within a day.`
