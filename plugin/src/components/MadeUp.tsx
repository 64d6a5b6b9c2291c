import { Badge, Box, Stack } from '@grafana/ui'
import React from 'react'
import { useSummary } from '../api/numbers.ts'
import { absolute } from './Time.tsx'

/**
 * Says where something is made up: the first start of the demo invents a history, so that there is something to look
 * at. Elsewhere there is none, and this says nothing.
 *
 * @param at of what is shown; undefined where some of it is older, and some not
 */
export function MadeUp({ at }: { at?: string }) {
  const until = useSummary().data?.madeUpUntil
  if (!until || (at !== undefined && at >= until)) return null
  return (
    <Box marginBottom={2}>
      <Stack alignItems="center" gap={1} wrap="wrap">
        <Badge color="orange" icon="info-circle" text="Made-up history, for the demo" />
        <span>
          {at === undefined
            ? `What was before ${absolute(until)} never happened.`
            : 'This never happened: there are no steps and no calls of it.'}
        </span>
      </Stack>
    </Box>
  )
}
