import { RadioButtonGroup } from '@grafana/ui'
import React from 'react'
import { zoneName } from './Time.tsx'
import { setTimeMode, type TimeMode, useTimeMode } from './timeMode.ts'

/** How all times of the pages are shown. */
export function TimeModes() {
  const mode = useTimeMode()
  const options: { value: TimeMode; label: string; description: string }[] = [
    { value: 'relative', label: 'Relative', description: 'Times as how long ago; the exact time on hover' },
    {
      value: 'local',
      label: zoneName().toLowerCase() === 'utc' ? 'Local' : zoneName(),
      description: 'Times by the clock of the zone in your profile',
    },
    { value: 'utc', label: 'UTC', description: 'Times as logs and the API have them' },
  ]
  return (
    <div role="group" aria-label="Times">
      <RadioButtonGroup options={options} value={mode} onChange={setTimeMode} />
    </div>
  )
}
