import { Button, ConfirmModal, LoadingPlaceholder } from '@grafana/ui'
import React, { useState } from 'react'
import type { Pause } from '../../../../worker/api/internal/schemas.ts'
import { TOPICS } from '../../../../worker/domain/topics.ts'
import { useEndPause, usePauses } from '../../api/incidents.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Table, type TableColumn } from '../../components/Table.tsx'
import { relative, withZone } from '../../components/Time.tsx'
import { PauseDialog } from './PauseDialog.tsx'

/** What is paused, planned to be, and was last; here an admin pauses the sending. */
export function Pauses() {
  const { data, error, refetch } = usePauses()
  const end = useEndPause()
  const [asking, setAsking] = useState(false)
  const [ending, setEnding] = useState<Pause | null>(null)
  const why = mayWrite() ? undefined : READ_ONLY
  const open = data?.pauses.filter(({ state }) => state !== 'ended') ?? []
  const ended = data?.pauses.filter(({ state }) => state === 'ended') ?? []
  return (
    <Page
      actions={
        <Button icon="pause" disabled={!mayWrite()} tooltip={why} onClick={() => setAsking(true)}>
          Pause sending
        </Button>
      }
    >
      {error && <Problem error={error} retry={refetch} />}
      {end.error && <Problem error={end.error} write />}
      {!data && !error && <LoadingPlaceholder text="Loading the pauses …" />}
      {data && (
        <>
          <Section title="In force and planned">
            {open.length === 0 ? (
              <p>Nothing is paused or planned to be: everything that is queued is sent.</p>
            ) : (
              <Table
                label="Pauses in force and planned"
                rows={open}
                nameOf={whatOf}
                columns={[{ name: 'state', label: 'State', cell: stateOf }, ...COLUMNS]}
                action={{
                  label: 'End',
                  of: (pause) => (
                    <Button
                      size="sm"
                      variant="secondary"
                      aria-label={`${endOf(pause)}: ${whatOf(pause)}`}
                      disabled={!mayWrite() || end.isPending}
                      tooltip={why}
                      onClick={() => setEnding(pause)}
                    >
                      {endOf(pause)}
                    </Button>
                  ),
                }}
              />
            )}
          </Section>
          {ended.length > 0 && (
            <Section title="Ended">
              <Table
                label="Ended pauses"
                rows={ended}
                nameOf={whatOf}
                columns={[
                  ...COLUMNS.filter(({ name }) => name !== 'until' && name !== 'ends'),
                  { name: 'endedAt', label: 'Ended', cell: ({ endedAt }) => <At time={endedAt} /> },
                  { name: 'endedBy', label: 'Ended by', cell: ({ endedBy }) => endedBy ?? 'itself' },
                ]}
              />
            </Section>
          )}
        </>
      )}
      {asking && <PauseDialog onDismiss={() => setAsking(false)} />}
      <ConfirmModal
        isOpen={ending !== null}
        title={ending?.state === 'planned' ? 'Cancel this pause?' : 'End this pause now?'}
        body={
          ending?.state === 'planned'
            ? 'Sending goes on as if it had not been planned.'
            : 'Workers send what waits within two seconds, in its order.'
        }
        confirmText={ending?.state === 'planned' ? 'Cancel the pause' : 'End the pause'}
        confirmButtonVariant="primary"
        dismissText="Keep it"
        disabled={end.isPending}
        onConfirm={() => {
          if (ending) end.mutate(ending.id, { onSettled: () => setEnding(null) })
        }}
        onDismiss={() => setEnding(null)}
      />
    </Page>
  )
}

/** `Everything`, a topic, or a seller. */
const whatOf = ({ topic, sellerId, sellerName }: Pause): string =>
  topic ? TOPICS[topic].label : sellerId ? (sellerName ?? `seller ${sellerId}`) : 'Everything'

const endOf = ({ state }: Pause): string => (state === 'planned' ? 'Cancel' : 'End now')

const stateOf = ({ state, until }: Pause): string =>
  state === 'planned' ? 'Planned' : Date.parse(until) < Date.now() ? 'In force, later than planned' : 'In force'

/** A plan is read by the clock, and told to others. */
const At = ({ time }: { time: string | null }) =>
  time === null ? (
    '–'
  ) : (
    <time dateTime={time} title={relative(time)} style={{ whiteSpace: 'nowrap' }}>
      {withZone(time)}
    </time>
  )

const COLUMNS: TableColumn<Pause>[] = [
  { name: 'what', label: 'Paused', cell: whatOf },
  { name: 'from', label: 'From', cell: ({ from }) => <At time={from} /> },
  { name: 'until', label: 'Planned end', cell: ({ until }) => <At time={until} /> },
  { name: 'ends', label: 'Ends', cell: ({ endsItself }) => (endsItself ? 'by itself' : 'by an admin') },
  { name: 'reason', label: 'Reason', cell: ({ reason }) => reason },
  { name: 'createdBy', label: 'Set by', cell: ({ createdBy }) => createdBy },
]
