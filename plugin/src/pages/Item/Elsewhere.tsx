import { locationUtil } from '@grafana/data'
import { hasPermission } from '@grafana/runtime'
import { LinkButton, Stack } from '@grafana/ui'
import React from 'react'
import type { ItemDetail } from '../../../../worker/api/internal/schemas.ts'
import { Section } from '../../components/Section.tsx'
import { pageUrl } from '../../location.ts'

/** Explore with one query, from an hour before the item was queued until now. */
function explore(uid: string, type: string, query: object, from: string): string {
  const datasource = { type, uid }
  const panes = {
    a: {
      datasource: uid,
      queries: [{ refId: 'A', datasource, ...query }],
      range: { from: String(Date.parse(from) - 3_600_000), to: 'now' },
    },
  }
  return locationUtil.assureBaseUrl(`/explore?${new URLSearchParams({ schemaVersion: '1', panes: JSON.stringify(panes) })}`)
}

/** From here into the trace, the logs and the set. Grafana lets only Editors and Admins into Explore. */
export function Elsewhere({ item: { id, traceId, productSetId, queuedAt } }: { item: ItemDetail }) {
  const mayExplore = hasPermission('datasources:explore')
  const why = mayExplore ? undefined : 'Explore is for Editors and Admins.'
  return (
    <Section title="Elsewhere">
      <Stack gap={1} wrap="wrap">
        <LinkButton
          variant="secondary"
          icon="gf-traces"
          disabled={!mayExplore || traceId === null}
          tooltip={traceId === null ? 'It has not been attempted yet.' : why}
          href={explore('shop-update-tempo', 'tempo', { queryType: 'traceql', query: traceId ?? '' }, queuedAt)}
        >
          Trace of the last attempt
        </LinkButton>
        <LinkButton
          variant="secondary"
          icon="gf-logs"
          disabled={!mayExplore}
          tooltip={why}
          href={explore(
            'shop-update-loki',
            'loki',
            { queryType: 'range', expr: `{service_name="shop-update"} | item_id="${id}"` },
            queuedAt,
          )}
        >
          Log lines
        </LinkButton>
        <LinkButton variant="secondary" icon="apps" href={locationUtil.assureBaseUrl(pageUrl('overview', { q: productSetId }))}>
          All of its product set
        </LinkButton>
      </Stack>
    </Section>
  )
}
