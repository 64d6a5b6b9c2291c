import { EmptyState, LoadingPlaceholder } from '@grafana/ui'
import React from 'react'
import type { Run } from '../../../../worker/api/internal/schemas.ts'
import { ID } from '../../../../worker/domain/ids.ts'
import { STATUSES } from '../../../../worker/domain/statuses.ts'
import { ApiError } from '../../api/client.ts'
import { useRun } from '../../api/runs.ts'
import { counted } from '../../components/counted.ts'
import { Page } from '../../components/Page.tsx'
import { Problem } from '../../components/Problem.tsx'
import { RunProgress } from '../../components/RunProgress.tsx'
import { Section } from '../../components/Section.tsx'
import { Time } from '../../components/Time.tsx'
import { KIND_LABELS, targetOf, topicsOf } from './sentences.ts'

/** One run: who wanted what, how far it is, and what came of it. Its address may be shared. */
export function RunPage({ id }: { id: string }) {
  const isId = ID.test(id)
  const { data: run, error, refetch } = useRun(id, isId)
  const isMissing = !isId || (error instanceof ApiError && error.status === 404)
  return (
    <Page title={`Run ${id}`}>
      {isMissing && <EmptyState variant="not-found" message="There is no such run" />}
      {error && !isMissing && <Problem error={error} retry={refetch} />}
      {!run && !error && !isMissing && <LoadingPlaceholder text="Loading the run …" />}
      {run && (
        <>
          <Section title="What was asked">
            <p>
              {KIND_LABELS[run.kind]} of {run.topics.length > 0 && `${topicsOf({ ...run })} of `}
              {targetOf({ ...run.target }, run.cause)}
              {run.include.length > 0 &&
                `, in the ${run.include.length === 1 ? 'status' : 'statuses'} ` +
                  run.include.map((status) => STATUSES[status].label).join(', ')}
              ; by {run.createdBy}, <Time at={run.createdAt} />.
            </p>
            {run.reason && <p>Reason: “{run.reason}”</p>}
            {run.force && <p>Past the conditions that seller, product and quality control must meet.</p>}
            {run.mayCreateTwice && <p>With creations that the Shop may have carried out already.</p>}
            {run.previewed && <p>{previewOf(run)}</p>}
          </Section>
          <Section title="What came of it">
            <RunProgress run={run} />
          </Section>
        </>
      )}
    </Page>
  )
}

const previewOf = ({ previewed }: Run): string => {
  const { taken = 0, productSets = 0, skippedTotal = 0, first } = previewed ?? {}
  const ofFirst = first === undefined ? '' : `, of the first ${first.toLocaleString('en')}`
  return (
    `The preview said${ofFirst}: ${counted(taken, 'item')} of ${counted(productSets, 'product set')}, ` +
    `${counted(skippedTotal, 'item')} left alone.`
  )
}
