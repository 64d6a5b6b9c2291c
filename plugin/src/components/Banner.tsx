import { Alert, Button } from '@grafana/ui'
import React from 'react'
import type { Incident } from '../../../worker/api/internal/schemas.ts'
import { useIncidents } from '../api/incidents.ts'
import { useLetIn } from '../api/settings.ts'
import { mayWrite, READ_ONLY } from '../app.ts'
import { pageUrl } from '../location.ts'
import { Link } from './Link.tsx'
import { Problem } from './Problem.tsx'
import { Due, Time } from './Time.tsx'

/** What `nextAt` is the time of. */
const NEXT: Partial<Record<Incident['kind'], string>> = {
  shop_away: 'Next attempt',
  shop_busy: 'The Shop asks to wait until',
  paused: 'Planned end',
}

/** Its key was valid, so it is the Shop, from an address that nobody has told us of. */
function LetIn({ address }: { address: string }) {
  const letIn = useLetIn()
  return (
    <>
      <Button
        size="sm"
        variant="secondary"
        disabled={!mayWrite() || letIn.isPending}
        tooltip={mayWrite() ? undefined : READ_ONLY}
        onClick={() => letIn.mutate(address)}
      >
        Add {address} to the white list
      </Button>
      {letIn.isSuccess && ' Added: its next call is taken.'}
      {letIn.error && <Problem error={letIn.error} write />}
    </>
  )
}

/** What is wrong with the whole, on every page for as long as it lasts. */
export function Banner() {
  const { data } = useIncidents()
  return data?.incidents.map((incident) => (
    <Alert
      key={`${incident.kind} ${incident.key}`}
      severity={incident.kind === 'no_worker' || incident.kind === 'shop_away' ? 'error' : 'warning'}
      title={incident.title}
    >
      {incident.since && (
        <>
          It began <Time at={incident.since} />.{' '}
        </>
      )}
      {incident.meaning}
      {!/[.!?]$/.test(incident.meaning) && '.'}{' '}
      {incident.nextAt && (
        <>
          {NEXT[incident.kind]}:{' '}
          {incident.kind === 'paused' ? <Time at={incident.nextAt} /> : <Due at={incident.nextAt} />}.{' '}
        </>
      )}
      {incident.refused?.map(({ remote, cause }) => cause === 'address' && <LetIn key={remote} address={remote} />)}
      {incident.kind === 'callbacks_stopped' && (
        <Link to={pageUrl('pending', { status: 'got_acknowledgment', sort: 'statusAt' })} inText>
          Show the acknowledged items
        </Link>
      )}
      {incident.kind === 'paused' && (
        <Link to={pageUrl('pauses')} inText>
          Pauses
        </Link>
      )}
    </Alert>
  ))
}
