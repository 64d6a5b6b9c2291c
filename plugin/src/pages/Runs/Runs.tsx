import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Button, Input, LoadingPlaceholder, useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Entry, RunsRecord } from '../../../../worker/api/internal/schemas.ts'
import { useRecord } from '../../api/runs.ts'
import { mayWrite } from '../../app.ts'
import { Choice, TimeRange, Typed } from '../../components/FilterInputs.tsx'
import { Link } from '../../components/Link.tsx'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Table, type TableColumn } from '../../components/Table.tsx'
import { Time } from '../../components/Time.tsx'
import { changeQuery, given, pageUrl, useRoute } from '../../location.ts'
import { ACTION_LABELS, KIND_LABELS, reasonOf, sentenceOf, targetOf } from './sentences.ts'

const ACTIONS = Object.entries(ACTION_LABELS).map(([value, label]) => ({ value, label }))

/** Runs under way, and the record of all that was done by hand. */
export function Runs() {
  const styles = useStyles2(getStyles)
  const { query } = useRoute()
  const { actor, action, from, to } = query
  const isFiltered = Object.keys(given({ actor, action, from, to })).length > 0
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useRecord(
    { actor, action, from, to },
    mayWrite(),
  )
  if (!mayWrite())
    return (
      <Page>
        <p>Only users with the role Admin see the record of all that was done by hand.</p>
      </Page>
    )
  const underWay = data?.pages[0]?.underWay ?? []
  const entries = data?.pages.flatMap((page) => page.entries) ?? []
  return (
    <Page>
      {error && <Problem error={error} retry={refetch} />}
      {!data && !error && <LoadingPlaceholder text="Loading the record …" />}
      {underWay.length > 0 && (
        <Section title="Under way">
          <Table label="Runs under way" rows={underWay} nameOf={({ id }) => `run ${id}`} columns={UNDER_WAY} />
        </Section>
      )}
      <Section title="What was done by hand">
        <div className={styles.filters} role="search" aria-label="Filters">
          <Typed value={actor} onChange={(value) => changeQuery({ actor: value })}>
            {(value, onChange) => (
              <Input
                aria-label="Person"
                placeholder="Person, whole name"
                width={30}
                value={value}
                onChange={(event) => onChange(event.currentTarget.value)}
              />
            )}
          </Typed>
          <Choice
            label="Kind"
            all="All kinds"
            options={ACTIONS}
            value={action}
            onChange={(value) => changeQuery({ action: value })}
          />
          <TimeRange query={query} placeholder="At any time" onChange={changeQuery} />
        </div>
        {data && entries.length === 0 && (
          <p>{isFiltered ? 'Nothing was done by hand that matches this.' : 'Nothing has been done by hand yet.'}</p>
        )}
        {entries.length > 0 && <Table label="What was done by hand" rows={entries} columns={ENTRIES} />}
        {hasNextPage && (
          <Button variant="secondary" disabled={isFetchingNextPage} onClick={() => fetchNextPage()}>
            Show older ones
          </Button>
        )}
      </Section>
    </Page>
  )
}

type UnderWay = RunsRecord['underWay'][number]

const UNDER_WAY: TableColumn<UnderWay>[] = [
  {
    name: 'what',
    label: 'Run',
    cell: ({ id, kind, target, cause }) => (
      <Link to={pageUrl(`runs/${id}`)}>
        {KIND_LABELS[kind]} of {targetOf({ ...target }, cause)}
      </Link>
    ),
  },
  { name: 'by', label: 'By', cell: ({ createdBy }) => createdBy },
  { name: 'since', label: 'Begun', cell: ({ createdAt }) => <Time at={createdAt} /> },
  { name: 'progress', label: 'Last step', cell: ({ progressedAt }) => <Time at={progressedAt} /> },
  { name: 'taken', label: 'Items so far', cell: ({ taken }) => taken.toLocaleString('en') },
]

const ENTRIES: TableColumn<Entry>[] = [
  { name: 'at', label: 'When', cell: ({ at }) => <Time at={at} /> },
  { name: 'actor', label: 'Who', cell: ({ actor }) => actor },
  { name: 'action', label: 'Kind', cell: ({ action }) => ACTION_LABELS[action] ?? action },
  {
    name: 'what',
    label: 'What',
    cell: (entry) =>
      entry.runId ? <Link to={pageUrl(`runs/${entry.runId}`)}>{sentenceOf(entry)}</Link> : <What entry={entry} />,
  },
  { name: 'reason', label: 'Reason', cell: reasonOf },
]

function What({ entry }: { entry: Entry }) {
  const { itemId } = entry.detail
  return typeof itemId === 'string' ? (
    <Link to={pageUrl(`items/${itemId}`)}>{sentenceOf(entry)}</Link>
  ) : (
    sentenceOf(entry)
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  filters: css({ display: 'flex', flexWrap: 'wrap', gap: theme.spacing(1), marginBottom: theme.spacing(2) }),
})
