import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Alert, LoadingPlaceholder, useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Differences as All } from '../../../../worker/api/internal/schemas.ts'
import { useDifferences } from '../../api/products.ts'
import { Link } from '../../components/Link.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Table } from '../../components/Table.tsx'
import { Time } from '../../components/Time.tsx'
import { pageUrl } from '../../location.ts'

type Difference = All['differences'][number]

/** What the Shop has of a product against what it would be sent now. */
export function Differences({ productSetId, productId }: { productSetId: string; productId: string }) {
  const { data, error } = useDifferences(productSetId, productId)
  if (data?.inShop === false) return null
  return (
    <Section title="What differs in the Shop">
      {error && <Problem error={error} />}
      {!data && !error && <LoadingPlaceholder text="Comparing …" />}
      {data?.impossible && (
        <Alert severity="warning" title="What the catalogue has cannot be sent">
          {data.impossible}
        </Alert>
      )}
      {data && data.differences.length > 0 && (
        <Table<Difference & { id: string }>
          label="What differs in the Shop"
          rows={data.differences.map((difference) => ({ id: difference.field, ...difference }))}
          columns={[
            { name: 'field', label: 'Field', cell: ({ field }) => field },
            { name: 'there', label: 'The Shop has', cell: ({ there }) => <Value text={there} /> },
            { name: 'here', label: 'Seller Center has', cell: ({ here }) => <Value text={here} /> },
            { name: 'since', label: 'The Shop took it', cell: ({ since }) => <Time at={since} /> },
            { name: 'item', label: 'On its way', cell: onItsWay },
          ]}
        />
      )}
      {data && <p>{summary(data)}</p>}
    </Section>
  )
}

const onItsWay = ({ itemId }: Difference) =>
  itemId === null ? 'no change is queued' : <Link to={pageUrl(`items/${itemId}`)}>item {itemId}</Link>

/** How many fields that nobody knows are named. */
const NAMED = 5

function summary({ differences, unknown, known, impossible }: All): string {
  const same =
    known && differences.length === 0 && impossible === null
      ? ['Of what the calls on record say, nothing differs.']
      : []
  const named = unknown.slice(0, NAMED).join(', ')
  const more = unknown.length > NAMED ? ` and ${unknown.length - NAMED} more` : ''
  const missing =
    unknown.length > 0
      ? [
          `No call on record has ${named}${more}: the Shop has ${unknown.length === 1 ? 'it' : 'them'} from before ` +
            'the history begins, or not at all.',
        ]
      : []
  return [...same, ...missing].join(' ')
}

/** A description may be long: four lines, and all of it on hover. */
function Value({ text }: { text: string | null }) {
  const styles = useStyles2(getStyles)
  return text === null ? (
    <>–</>
  ) : (
    <span className={styles.value} title={text}>
      {text}
    </span>
  )
}

const getStyles = (_: GrafanaTheme2) => ({
  value: css({
    display: '-webkit-box',
    WebkitBoxOrient: 'vertical',
    WebkitLineClamp: 4,
    overflow: 'hidden',
    overflowWrap: 'anywhere',
    whiteSpace: 'pre-line',
  }),
})
