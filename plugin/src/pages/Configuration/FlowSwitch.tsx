import { Alert, Box, Button, FieldSet, Modal, RadioButtonGroup } from '@grafana/ui'
import React, { useState } from 'react'
import { FLOWS, type Flow } from '../../../../worker/domain/statuses.ts'
import { useChangeFlow, useFlow } from '../../api/settings.ts'
import { mayWrite } from '../../app.ts'
import { Problem } from '../../components/Problem.tsx'
import { Table } from '../../components/Table.tsx'

const LABELS: Record<Flow, string> = { synchronous: 'Synchronous', asynchronous: 'Asynchronous' }

/** The setting `shop_update/flow`. */
export function FlowSwitch() {
  const { data, error, refetch } = useFlow()
  const change = useChangeFlow()
  const [wanted, setWanted] = useState<Flow | null>(null)
  return (
    <FieldSet label="Flow (shop_update/flow)">
      {error && <Problem error={error} retry={refetch} />}
      {data && (
        <>
          <Box marginBottom={2}>
            <RadioButtonGroup
              aria-label="Flow"
              options={FLOWS.map((value) => ({ value, label: LABELS[value] }))}
              value={data.wanted}
              disabled={!mayWrite()}
              onChange={setWanted}
            />
          </Box>
          <Table
            label="Workers"
            rows={data.workers}
            columns={[
              { name: 'name', label: 'Worker', cell: ({ name }) => name },
              { name: 'flow', label: 'Flow in use', cell: ({ flow }) => LABELS[flow] },
            ]}
          />
        </>
      )}
      {wanted && wanted !== data?.wanted && (
        <Modal title={`Send in the ${wanted} flow?`} isOpen onDismiss={() => setWanted(null)}>
          <Alert severity="warning" title="The Shop must be ready for it">
            {wanted === 'asynchronous'
              ? 'The Shop will acknowledge each request and must call back with the result. Its address must be on ' +
                'the white list, and it needs the callback key. '
              : 'The Shop will have to answer each request at once. '}
            Workers follow within seconds; until then, and for what is on its way, the Shop must support both flows.
          </Alert>
          {change.error && <Problem error={change.error} write />}
          <Modal.ButtonRow>
            <Button variant="secondary" fill="outline" onClick={() => setWanted(null)}>
              Cancel
            </Button>
            <Button
              disabled={change.isPending}
              onClick={() => change.mutate(wanted, { onSuccess: () => setWanted(null) })}
            >
              Change the flow
            </Button>
          </Modal.ButtonRow>
        </Modal>
      )}
    </FieldSet>
  )
}
