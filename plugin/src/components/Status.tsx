import { Badge, type BadgeColor, type IconName } from '@grafana/ui'
import React from 'react'
import { explainStatus } from '../../../worker/domain/explanations.ts'
import { STATUSES, type Status as StatusName } from '../../../worker/domain/statuses.ts'
import { pageUrl } from '../location.ts'
import { counted } from './counted.ts'
import { Link } from './Link.tsx'

const LOOKS: Partial<Record<StatusName, { color: BadgeColor; icon: IconName }>> = {
  synced: { color: 'green', icon: 'check' },
  delayed: { color: 'orange', icon: 'clock-nine' },
  blocked: { color: 'purple', icon: 'lock' },
  failed: { color: 'red', icon: 'exclamation-triangle' },
}

/** A status by its label (docs/requirements.md, "Statuses"), with its explanation on hover: never by colour alone. */
export function Status({ status }: { status: StatusName }) {
  const { color, icon } = LOOKS[status] ?? { color: 'blue', icon: 'sync' }
  return (
    <Badge
      style={{ whiteSpace: 'nowrap' }}
      text={STATUSES[status].label}
      color={color}
      icon={icon}
      tooltip={explainStatus(status)}
    />
  )
}

/** How many items have a status, as a link to them. The list of Pending / Processing has several statuses. */
export function StatusCount({ status, count, seller }: { status: StatusName; count: number; seller?: string }) {
  const { tab, label } = STATUSES[status]
  const to = pageUrl(tab, { seller, ...(tab === 'pending' && { status }) })
  return (
    <Link to={to} label={`${counted(count, 'item')}: ${label}`}>
      {count.toLocaleString('en')}
    </Link>
  )
}
