import { Badge, type BadgeColor, type IconName } from '@grafana/ui'
import React from 'react'
import { explainStatus } from '../../../worker/domain/explanations.ts'
import { STATUSES, type Status as StatusName } from '../../../worker/domain/statuses.ts'

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
