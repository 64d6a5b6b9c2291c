import type { Tallies } from './tallies.ts'

/** From a millisecond to eight days: retrying an item takes seven days and five hours at most. */
export const DURATIONS = [
  0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 259_200, 691_200,
]
/** A call may take as long as its time-out. */
const CALL_DURATIONS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** The counters and histograms of docs/contract.md. No attribute of them ever holds a SKU, an id or a seller. */
export function createInstruments({ counter, histogram }: Pick<Tallies, 'counter' | 'histogram'>) {
  return {
    transitions: counter({
      name: 'shop_update.transitions',
      unit: '{transition}',
      description: 'Statuses that items entered',
      attributes: ['topic', 'from', 'to', 'flow'],
    }),
    statusDuration: histogram(
      {
        name: 'shop_update.status.duration',
        unit: 's',
        description: 'Time that items spent in the status that they left',
        attributes: ['topic', 'status'],
      },
      DURATIONS,
    ),
    timeToSync: histogram(
      {
        name: 'shop_update.time_to_sync',
        unit: 's',
        description: 'From queued to Synced',
        attributes: ['topic', 'flow'],
      },
      DURATIONS,
    ),
    calls: counter({
      name: 'shop_update.calls',
      unit: '{call}',
      description: 'Calls to the Shop',
      attributes: ['topic', 'method', 'flow', 'outcome'],
    }),
    callDuration: histogram(
      {
        name: 'shop_update.call.duration',
        unit: 's',
        description: 'From the request to the answer of the Shop',
        attributes: ['topic', 'method', 'flow', 'outcome'],
      },
      CALL_DURATIONS,
    ),
    statementDuration: histogram(
      {
        name: 'db.client.operation.duration',
        unit: 's',
        description: 'Duration of the statements that move items',
        attributes: ['db.system.name', 'db.query.summary'],
      },
      CALL_DURATIONS,
    ),
    leasesRescued: counter({
      name: 'shop_update.leases.rescued',
      unit: '{item}',
      description: 'Items taken up whose worker was gone, by the status in which it left them',
      attributes: ['status'],
    }),
    callbacks: counter({
      name: 'shop_update.callbacks',
      unit: '{callback}',
      description: 'Calls of the Shop',
      attributes: ['outcome'],
    }),
    internalRefusals: counter({
      name: 'shop_update.internal.refusals',
      unit: '{request}',
      description: 'Requests of the internal API that were refused for who sent them',
      attributes: ['reason'],
    }),
    requeues: counter({
      name: 'shop_update.requeues',
      unit: '{item}',
      description: 'Items that a person wanted to requeue',
      attributes: ['topic', 'result'],
    }),
  }
}
