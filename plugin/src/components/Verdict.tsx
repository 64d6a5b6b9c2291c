import { Badge, type BadgeColor, type IconName } from '@grafana/ui'
import React from 'react'
import { VERDICT_LABELS, type VerdictCode } from '../../../worker/domain/product-verdict.ts'

const LOOKS: Record<VerdictCode, { color: BadgeColor; icon: IconName }> = {
  up_to_date: { color: 'green', icon: 'check' },
  on_its_way: { color: 'blue', icon: 'sync' },
  being_created: { color: 'blue', icon: 'sync' },
  failing: { color: 'red', icon: 'exclamation-triangle' },
  undecided: { color: 'purple', icon: 'lock' },
  not_created: { color: 'orange', icon: 'exclamation-triangle' },
  in_quality_control: { color: 'orange', icon: 'clock-nine' },
  rejected: { color: 'red', icon: 'times' },
  hidden: { color: 'orange', icon: 'eye-slash' },
}

/** How it stands with a product, in a few words: never by colour alone. */
export const Verdict = ({ code, text }: { code: VerdictCode; text: string }) => (
  <Badge style={{ whiteSpace: 'nowrap' }} text={VERDICT_LABELS[code]} tooltip={text} {...LOOKS[code]} />
)
