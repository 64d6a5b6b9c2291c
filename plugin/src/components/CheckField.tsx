import { Checkbox, Field } from '@grafana/ui'
import React from 'react'

/** A checkbox among the fields of a dialog, as far from the next as they are. */
export const CheckField = ({
  onChange,
  ...checkbox
}: {
  label: string
  description: string
  value: boolean
  onChange(checked: boolean): void
}) => (
  <Field>
    <Checkbox {...checkbox} onChange={(event) => onChange(event.currentTarget.checked)} />
  </Field>
)
