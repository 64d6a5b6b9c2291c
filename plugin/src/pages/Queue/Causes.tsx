import { Button } from '@grafana/ui'
import React, { useState } from 'react'
import type { Cause } from '../../../../worker/api/internal/schemas.ts'
import { ADMIN_RESOLVES } from '../../../../worker/domain/reasons.ts'
import type { WhoActs } from '../../../../worker/domain/seller-answer.ts'
import type { Tab } from '../../../../worker/domain/statuses.ts'
import { useCauses } from '../../api/items.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { ACTORS } from '../../components/acts.ts'
import { causeName } from '../../components/causeName.ts'
import { Problem } from '../../components/Problem.tsx'
import { Section } from '../../components/Section.tsx'
import { Table } from '../../components/Table.tsx'
import { Time } from '../../components/Time.tsx'
import { changeQuery } from '../../location.ts'

/** More are a click away: the list below is what most people came for. */
const AT_FIRST = 5

/** Nobody but the creation that it waits for. */
const actorOf = (whoActs: WhoActs): string => (whoActs === 'nobody' ? 'Its creation, or an admin' : ACTORS[whoActs])

/**
 * Why items are in this list, each cause once. One click shows the items of one, another requeues or discards all of
 * them.
 *
 * @param chosen the id of the cause that the list is filtered by
 */
export function Causes({
  tab,
  chosen,
  onRequeue,
  onDiscard,
}: {
  tab: Tab
  chosen: string | undefined
  onRequeue(cause: string): void
  onDiscard(cause: string): void
}) {
  const { data, error, refetch } = useCauses(tab, true)
  const [all, setAll] = useState(false)
  if (error) return <Problem error={error} retry={refetch} />
  if (!data || data.causes.length === 0) return null
  const shown = data.causes.filter(({ id }, place) => all || place < AT_FIRST || id === chosen)
  return (
    <Section title="Causes">
      <Table<Cause>
        label="Causes"
        rows={shown}
        nameOf={causeName}
        columns={[
          {
            name: 'cause',
            label: 'Cause',
            cell: (cause) => <span title={cause.example ?? ''}>{causeName(cause)}</span>,
          },
          { name: 'items', label: 'Items', cell: ({ items }) => items.toLocaleString('en') },
          {
            name: 'sellers',
            label: 'Sellers',
            help: 'That have items of this cause, in whichever list.',
            cell: ({ sellers }) => sellers.toLocaleString('en'),
          },
          { name: 'firstAt', label: 'First seen', cell: ({ firstAt }) => <Time at={firstAt} /> },
          { name: 'lastAt', label: 'Last seen', cell: ({ lastAt }) => <Time at={lastAt} /> },
          { name: 'trend', label: 'Last 24 hours', cell: ({ trend }) => <Trend hours={trend} /> },
          {
            name: 'whoActs',
            label: 'Who acts',
            cell: ({ whoActs }) => <div style={{ minWidth: '10ch' }}>{actorOf(whoActs)}</div>,
          },
        ]}
        action={{
          label: 'Actions',
          of: (cause) => (
            <div style={{ whiteSpace: 'nowrap' }}>
              <Button
                size="sm"
                variant="secondary"
                fill="text"
                aria-label={`${cause.id === chosen ? 'Show all' : 'Show its items'}: ${causeName(cause)}`}
                onClick={() => changeQuery({ cause: cause.id === chosen ? undefined : cause.id, cursor: undefined })}
              >
                {cause.id === chosen ? 'Show all' : 'Show its items'}
              </Button>
              <Button
                size="sm"
                variant="secondary"
                fill="text"
                aria-label={`Reupload all: ${causeName(cause)}`}
                disabled={!mayWrite()}
                tooltip={mayWrite() ? undefined : READ_ONLY}
                onClick={() => onRequeue(cause.id)}
              >
                Reupload all
              </Button>
              {isToDecide(cause.reason) && (
                <Button
                  size="sm"
                  variant="destructive"
                  fill="text"
                  aria-label={`Discard all: ${causeName(cause)}`}
                  disabled={!mayWrite()}
                  tooltip={mayWrite() ? undefined : READ_ONLY}
                  onClick={() => onDiscard(cause.id)}
                >
                  Discard all
                </Button>
              )}
            </div>
          ),
        }}
      />
      {data.causes.length > AT_FIRST && (
        <Button size="sm" variant="secondary" fill="text" onClick={() => setAll(!all)}>
          {all ? 'Show fewer causes' : `Show all ${data.causes.length} causes`}
        </Button>
      )}
    </Section>
  )
}

/** Only what an admin has to decide about is discarded: the rest ends by itself, or is tried again. */
export const isToDecide = (reason: string | undefined): boolean =>
  (ADMIN_RESOLVES as readonly (string | undefined)[]).includes(reason)

const BAR_WIDTH = 3
const HEIGHT = 20

/** How many items came to a cause, by hour. */
function Trend({ hours }: { hours: readonly number[] }) {
  const most = Math.max(1, ...hours)
  const total = hours.reduce((sum, n) => sum + n, 0)
  const bars = hours.map((n, hour) => {
    const height = n === 0 ? 0 : Math.max(1, Math.round((n / most) * HEIGHT))
    return `M${hour * (BAR_WIDTH + 1)} ${HEIGHT}v${-height}h${BAR_WIDTH}v${height}z`
  })
  return (
    <svg
      width={hours.length * (BAR_WIDTH + 1)}
      height={HEIGHT}
      role="img"
      aria-label={`${total.toLocaleString('en')} in the last 24 hours, at most ${most.toLocaleString('en')} in one`}
    >
      <path d={bars.join('')} fill="currentColor" />
      {/* the hours in which none came */}
      <path d={`M0 ${HEIGHT - 0.5}h${hours.length * (BAR_WIDTH + 1)}`} stroke="currentColor" opacity={0.4} />
    </svg>
  )
}
