import { locationUtil } from '@grafana/data'
import { LinkButton, Stack } from '@grafana/ui'
import React from 'react'
import type { ItemDetail } from '../../../../worker/api/internal/schemas.ts'
import { around, logsUrl, traceUrl } from '../../components/explore.ts'
import { Section } from '../../components/Section.tsx'
import { pageUrl } from '../../location.ts'

/** Links to the trace, the logs and the set. */
export function Elsewhere({ item }: { item: ItemDetail }) {
  const { id, traceId, productSetId, productId, queuedAt, statusAt, retriesLeft } = item
  const range = around(queuedAt, retriesLeft === null ? statusAt : null)
  return (
    <Section title="Elsewhere">
      <Stack gap={1} wrap="wrap" alignItems="center">
        {traceId !== null && (
          <LinkButton variant="secondary" icon="gf-traces" href={traceUrl(traceId, range)}>
            Trace of the last attempt
          </LinkButton>
        )}
        <LinkButton variant="secondary" icon="gf-logs" href={logsUrl(`| item_id="${id}"`, { 'var-item': id }, range)}>
          Log lines
        </LinkButton>
        <LinkButton
          variant="secondary"
          icon="apps"
          href={locationUtil.assureBaseUrl(pageUrl(`products/${productSetId}`, { product: productId ?? undefined }))}
        >
          Its product
        </LinkButton>
      </Stack>
    </Section>
  )
}
