import { Alert } from '@grafana/ui'
import React from 'react'
import type { Incident } from '../../../worker/api/internal/schemas.ts'
import { useIncidents } from '../api/incidents.ts'
import { pageUrl } from '../location.ts'
import { Link } from './Link.tsx'
import { Due, Time } from './Time.tsx'

/** What `nextAt` is the time of. */
const NEXT: Partial<Record<Incident['kind'], string>> = {
  shop_away: 'Next attempt',
  shop_busy: 'The Shop asks to wait until',
  paused: 'Planned end',
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
      {incident.kind === 'paused' && (
        <Link to={pageUrl('pauses')} inText>
          Pauses
        </Link>
      )}
    </Alert>
  ))
}
