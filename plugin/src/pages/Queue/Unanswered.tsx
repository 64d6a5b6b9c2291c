import { Alert, Button } from '@grafana/ui'
import React from 'react'
import type { Unanswered as Numbers } from '../../../../worker/api/internal/schemas.ts'
import { durationInWords } from '../../../../worker/domain/seller-answer.ts'
import { TOPICS } from '../../../../worker/domain/topics.ts'
import { ApiError } from '../../api/client.ts'
import { useUnanswered } from '../../api/items.ts'
import { ACTORS } from '../../components/acts.ts'
import { Link } from '../../components/Link.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Sku } from '../../components/Sku.tsx'
import { Table, type TableColumn } from '../../components/Table.tsx'
import { Time } from '../../components/Time.tsx'
import { changeQuery, pageUrl } from '../../location.ts'

type Row = Numbers['topics'][number] & { id: string }

/** What the Shop has acknowledged and not answered for longer than is usual: nothing failed, so it has no cause. */
export function Unanswered({ chosen }: { chosen: string | undefined }) {
  const { data, error, refetch } = useUnanswered()
  // the list says so already
  if (error instanceof ApiError && error.unreachable) return null
  if (error) return <Problem error={error} retry={refetch} />
  if (!data || data.topics.length === 0) return null
  return (
    <Section title="Acknowledged, and not answered for long">
      <p>
        {data.lastCallbackAt === null ? (
          'No callback of the Shop has come yet.'
        ) : (
          <>
            The last callback of the Shop came <Time at={data.lastCallbackAt} />.
          </>
        )}{' '}
        Nothing is sent again by itself: the Shop has to answer.
      </p>
      {data.truncated && (
        <Alert severity="info" title="Of the acknowledged items only those queued first and last were looked at" />
      )}
      <Table<Row>
        label="Not answered for long"
        rows={data.topics.map((row) => ({ ...row, id: row.topic }))}
        nameOf={({ topic }) => TOPICS[topic].label}
        columns={COLUMNS}
        action={{
          label: 'Actions',
          of: ({ topic }) => (
            <Button
              size="sm"
              variant="secondary"
              fill="text"
              aria-label={`${topic === chosen ? 'Show all' : 'Show what is acknowledged'}: ${TOPICS[topic].label}`}
              onClick={() =>
                changeQuery(
                  topic === chosen
                    ? { status: undefined, topic: undefined, sort: undefined, cursor: undefined }
                    : { ...ALL, status: 'got_acknowledgment', topic, sort: 'statusAt' },
                )
              }
            >
              {topic === chosen ? 'Show all' : 'Show what is acknowledged'}
            </Button>
          ),
        }}
      />
    </Section>
  )
}

/** The row is about everybody's, whatever the list has been filtered by. */
const ALL = { q: undefined, seller: undefined, from: undefined, to: undefined, cursor: undefined }

const COLUMNS: TableColumn<Row>[] = [
  { name: 'topic', label: 'Topic', cell: ({ topic, method }) => `${TOPICS[topic].label} · ${method}` },
  { name: 'items', label: 'Items', cell: ({ items }) => items.toLocaleString('en') },
  { name: 'sellers', label: 'Sellers', cell: ({ sellers }) => sellers.toLocaleString('en') },
  { name: 'oldestAt', label: 'The oldest since', cell: ({ oldestAt }) => <Time at={oldestAt} /> },
  { name: 'usual', label: 'Late after', cell: ({ usualSeconds }) => durationInWords(usualSeconds) },
  { name: 'whoActs', label: 'Who acts', cell: () => <div style={{ minWidth: '10ch' }}>{ACTORS.shop}</div> },
  {
    name: 'example',
    label: 'Example',
    cell: ({ example }) => (
      <Link to={pageUrl(`items/${example.itemId}`)}>
        <Sku>{example.sellerSku ?? `item ${example.itemId}`}</Sku>
      </Link>
    ),
  },
]
