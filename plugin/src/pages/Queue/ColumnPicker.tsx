import { Box, Button, Checkbox, Stack, Toggletip, ToolbarButton } from '@grafana/ui'
import React from 'react'
import { COLUMN_NAMES, type ColumnName, column } from './columns.tsx'

export function ColumnPicker({
  shown,
  onChange,
}: {
  shown: ColumnName[]
  onChange(columns: ColumnName[] | undefined): void
}) {
  const list = (
    <Stack direction="column" gap={0.5} alignItems="flex-start">
      {COLUMN_NAMES.map((name) => (
        <Checkbox
          key={name}
          label={column(name).label}
          value={shown.includes(name)}
          disabled={name === 'sellerSku'}
          onChange={({ currentTarget: { checked } }) =>
            onChange(checked ? [...shown, name] : shown.filter((other) => other !== name))
          }
        />
      ))}
      <Box marginTop={1}>
        <Button size="sm" variant="secondary" onClick={() => onChange(undefined)}>
          Back to the usual columns
        </Button>
      </Box>
    </Stack>
  )
  return (
    <Toggletip title="Columns" content={list} placement="bottom-end">
      {/* on a narrow screen the button has no text */}
      <ToolbarButton icon="columns" aria-label="Columns">
        Columns
      </ToolbarButton>
    </Toggletip>
  )
}
