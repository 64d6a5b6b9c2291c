import React from 'react'
import type { Transition } from '../../../../worker/api/internal/schemas.ts'
import { explain } from '../../../../worker/domain/explanations.ts'
import { Section } from '../../components/Section.tsx'
import { Status } from '../../components/Status.tsx'
import { Table } from '../../components/Table.tsx'
import { absolute, duration, shownZoneName } from '../../components/Time.tsx'

/** Each status with its time and its duration. */
export function Timeline({ transitions }: { transitions: readonly Transition[] }) {
  // A transition contains the duration of the previous status, so the duration of each is in the next row.
  const rows = transitions.map((transition, place) => ({
    id: String(place),
    ...transition,
    lasted: transitions[place + 1]?.seconds ?? null,
  }))
  return (
    <Section title="Timeline">
      <Table
        label="Timeline"
        rows={rows}
        columns={[
          {
            name: 'at',
            label: `At (${shownZoneName()})`,
            cell: ({ at }) => (
              <time dateTime={at} title={at} style={{ whiteSpace: 'nowrap' }}>
                {`${absolute(at)}.${at.slice(20, 23)}`}
              </time>
            ),
          },
          { name: 'to', label: 'Status', cell: ({ to }) => <Status status={to} /> },
          { name: 'lasted', label: 'For', cell: ({ lasted }) => (lasted === null ? '–' : duration(lasted)) },
          {
            name: 'reason',
            label: 'Why',
            cell: ({ reason }) => (reason ? <span title={explain(reason).sentence}>{explain(reason).label}</span> : ''),
          },
          {
            name: 'actor',
            label: 'By',
            cell: ({ actor, note }) => (note === null ? actor : actor === null ? note : `${actor}: “${note}”`),
          },
        ]}
      />
    </Section>
  )
}
