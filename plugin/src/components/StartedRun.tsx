import { locationUtil } from '@grafana/data'
import { Button, LinkButton, Modal } from '@grafana/ui'
import React from 'react'
import type { Item, Run } from '../../../worker/api/internal/schemas.ts'
import { useRun } from '../api/runs.ts'
import { pageUrl } from '../location.ts'
import { Problem } from './Problem.tsx'
import { RunProgress } from './RunProgress.tsx'

/** A run that a dialog has begun: it goes on by itself, and the dialog shows how far it is. */
export function StartedRun({
  run: begun,
  known,
  note,
  onClose,
}: {
  run: Run
  known?: readonly Item[]
  note?: string | undefined
  onClose(): void
}) {
  const { data: run = begun, error } = useRun(begun.id)
  return (
    <>
      {error && <Problem error={error} />}
      <RunProgress run={run} known={known ?? []} note={note ?? noteOf(run)} />
      <Modal.ButtonRow>
        <LinkButton variant="secondary" fill="text" href={locationUtil.assureBaseUrl(pageUrl(`runs/${run.id}`))}>
          Follow it on its own page
        </LinkButton>
        <Button onClick={onClose}>Close</Button>
      </Modal.ButtonRow>
    </>
  )
}

const NOTHING: Record<Run['kind'], string> = {
  requeue: 'Meanwhile there was nothing left to requeue.',
  creations: 'Meanwhile there was nothing left to create.',
  discard: 'Meanwhile there was nothing left to discard.',
  send: 'Nothing was sent.',
}

function noteOf({ kind, taken }: Run): string {
  if (taken === 0) return NOTHING[kind]
  if (kind === 'creations') return 'What waits is sent at once afterwards.'
  const they = taken === 1 ? 'It' : 'They'
  if (kind === 'discard') return `${they} left the queue and ${taken === 1 ? 'is' : 'are'} not sent any more.`
  const again = kind === 'requeue' ? ' again' : ''
  return `${they} ${taken === 1 ? 'is' : 'are'} sent${again} from now on, with what the catalogue has at that moment.`
}
