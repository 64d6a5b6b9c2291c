import { Field, Input } from '@grafana/ui'
import React from 'react'

/** Why an admin does something, for the record. */
export const ReasonField = ({
  id,
  value,
  onChange,
  isRequired,
  autoFocus = false,
}: {
  id: string
  value: string
  onChange(value: string): void
  isRequired: boolean
  autoFocus?: boolean
}) => (
  <Field
    label="Reason"
    required={isRequired}
    description={isRequired ? 'Recorded with your name' : 'Optional; recorded with your name'}
  >
    <Input
      id={id}
      autoFocus={autoFocus}
      value={value}
      maxLength={500}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  </Field>
)
