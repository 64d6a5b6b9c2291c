import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Button, LoadingPlaceholder, Stack, useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Timeline } from '../../../../worker/api/internal/schemas.ts'
import { explain } from '../../../../worker/domain/explanations.ts'
import { STATUSES } from '../../../../worker/domain/statuses.ts'
import { TOPICS } from '../../../../worker/domain/topics.ts'
import { useSetTimeline } from '../../api/products.ts'
import { Link } from '../../components/Link.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Status } from '../../components/Status.tsx'
import { Table } from '../../components/Table.tsx'
import { absolute, Time } from '../../components/Time.tsx'
import { pageUrl } from '../../location.ts'

type Change = Timeline['changes'][number]
type Step = Change['steps'][number]

/** Every change of a product set with its story: what is in the queue first, then the newest. */
export function SetTimeline({ id }: { id: string }) {
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useSetTimeline(id)
  const changes = data?.pages.flatMap((page) => page.changes) ?? []
  // while pages are read anew, a change may pass from one to the next
  const rows = [...new Map(changes.map((change) => [change.itemId, { id: change.itemId, ...change }])).values()]
  return (
    <Section title="Timeline">
      {error && <Problem error={error} />}
      {!data && !error && <LoadingPlaceholder text="Loading the timeline …" />}
      {data && rows.length === 0 && <p>Nothing of it has been queued within the history that is kept.</p>}
      {rows.length > 0 && (
        <Table<Change & { id: string }>
          label="Timeline"
          rows={rows}
          columns={[
            {
              name: 'change',
              label: 'Change',
              cell: ({ itemId, topic }) => <Link to={pageUrl(`items/${itemId}`)}>{TOPICS[topic].label}</Link>,
            },
            { name: 'of', label: 'Of', cell: of },
            { name: 'status', label: 'Status', cell: ({ status }) => <Status status={status} /> },
            { name: 'queued', label: 'Queued', cell: ({ queuedAt }) => <Time at={queuedAt} /> },
            { name: 'story', label: 'Since then', cell: (change) => <Story change={change} /> },
          ]}
        />
      )}
      {hasNextPage && (
        <Stack justifyContent="center">
          <Button size="sm" variant="secondary" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Show older changes
          </Button>
        </Stack>
      )}
    </Section>
  )
}

const of = ({ productId, sellerSku }: Change): string =>
  productId === null ? 'the whole set' : (sellerSku ?? 'a product that is gone')

function Story({ change: { steps, reason } }: { change: Change }) {
  const styles = useStyles2(getStyles)
  // the first is that it was queued, which has a column
  const [first, ...since] = steps
  const told = first && (first.to !== 'pending' || first.reason !== null || first.times > 1) ? steps : since
  return (
    <>
      <ul className={styles.story}>
        {told.map((step) => (
          <li key={step.firstAt + step.to}>
            <Line step={step} />
          </li>
        ))}
      </ul>
      {reason?.message && <small className={styles.message}>{reason.message}</small>}
    </>
  )
}

function Line({ step }: { step: Step }) {
  const { to, reason, times, firstAt, lastAt, at, actor, note } = step
  const what = (
    <>
      {STATUSES[to].label}
      {times > 1 && ` ${times.toLocaleString('en')} times`}
      {reason !== null && <span title={explain(reason).sentence}> ({explain(reason).label})</span>}
      {times > 1 ? ', the last ' : ' '}
      <Time at={lastAt} />
      {actor !== null && ` by ${actor}`}
      {note !== null && `: “${note}”`}
    </>
  )
  if (times === 1) return what
  return (
    <details>
      <summary>{what}</summary>
      <ol aria-label="Each of them">
        {times > at.length && (
          <li>
            the first {absolute(firstAt)}; {(times - at.length).toLocaleString('en')} are not listed
          </li>
        )}
        {at.map((each) => (
          <li key={each}>{absolute(each)}</li>
        ))}
      </ol>
    </details>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  story: css({ listStyle: 'none', margin: 0, ol: { margin: theme.spacing(0.5, 0, 1, 3) } }),
  message: css({
    display: '-webkit-box',
    WebkitBoxOrient: 'vertical',
    WebkitLineClamp: 3,
    overflow: 'hidden',
    overflowWrap: 'anywhere',
    color: theme.colors.text.secondary,
  }),
})
