import { beforeEach, describe, expect, it } from 'vitest'
import { createCircuit, isGatewayError } from '../../worker/shop/circuit.ts'

let clock = 0
const now = () => clock
const claim = (id: string, token = 1) => ({ id, token })
const fresh = () => createCircuit({ now })
const failing = (ids: string[], circuit = fresh()) => {
  for (const id of ids) circuit.unreachable(claim(id), 'HTTP 502')
  return circuit
}
const opened = () => failing(['a', 'b', 'c', 'd', 'e'])

beforeEach(() => {
  clock = 100_000
})

describe('closed', () => {
  it('lets everything through', () => {
    const circuit = fresh()
    expect(circuit.state).toBe('closed')
    expect(circuit.nextProbeAt).toBeNull()
    expect(circuit.allowance()).toBe(Number.POSITIVE_INFINITY)
    circuit.started(claim('a'))
    expect(circuit.state).toBe('closed')
  })

  it('opens with the fifth item in a row', () => {
    const circuit = failing(['a', 'b', 'c', 'd'])
    expect(circuit.state).toBe('closed')
    circuit.unreachable(claim('e'), 'HTTP 502')
    expect(circuit.state).toBe('open')
    expect(circuit.allowance()).toBe(0)
    expect(circuit.nextProbeAt).toBe(101_000)
  })

  it('counts an item once', () => {
    expect(failing(['a', 'a', 'a', 'a', 'a', 'a']).state).toBe('closed')
  })

  it('starts again after any answer', () => {
    const circuit = failing(['a', 'b', 'c', 'd'])
    circuit.answered()
    expect(failing(['e', 'f', 'g', 'h'], circuit).state).toBe('closed')
  })

  it.each([
    [502, true],
    [503, true],
    [504, true],
    [500, false],
    [429, false],
    [404, false],
    [200, false],
  ])('HTTP %i counts as unreachable: %s', (httpStatus, expected) => {
    expect(isGatewayError(httpStatus)).toBe(expected)
  })
})

describe('open', () => {
  it('lets one probe through when it is due, and asking uses nothing up', () => {
    const circuit = opened()
    clock += 999
    expect(circuit.allowance()).toBe(0)
    clock += 1
    expect(circuit.allowance()).toBe(1)
    expect(circuit.allowance()).toBe(1)
    circuit.started(claim('p'))
    expect(circuit.state).toBe('probing')
    expect(circuit.allowance()).toBe(0)
  })

  it('closes with the answer to the probe', () => {
    const circuit = opened()
    clock += 1000
    circuit.started(claim('p'))
    circuit.answered()
    expect(circuit.state).toBe('closed')
    expect(circuit.allowance()).toBe(Number.POSITIVE_INFINITY)
    expect(failing(['a', 'b', 'c', 'd'], circuit).state).toBe('closed')
  })

  it('closes with a late answer to a call from before', () => {
    const circuit = opened()
    circuit.answered()
    expect(circuit.state).toBe('closed')
  })

  it('waits twice as long after each failed probe, 30 s at most, and starts small the next time', () => {
    const circuit = opened()
    const waits: number[] = []
    for (let n = 0; n < 7; n++) {
      waits.push(circuit.nextProbeAt! - clock)
      clock = circuit.nextProbeAt!
      circuit.started(claim('p'))
      circuit.unreachable(claim('p'), 'HTTP 502')
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    circuit.answered()
    failing(['a', 'b', 'c', 'd', 'e'], circuit)
    expect(circuit.nextProbeAt! - clock).toBe(1000)
  })

  it('failures of calls that were under way change nothing', () => {
    const circuit = failing(['f', 'g', 'h'], opened())
    expect(circuit.nextProbeAt).toBe(101_000)
    clock += 1000
    circuit.started(claim('p'))
    circuit.unreachable(claim('f'), 'HTTP 502')
    expect(circuit.state).toBe('probing')
  })

  it('a probe that is never heard of again counts as lost', () => {
    const circuit = opened()
    clock += 1000
    circuit.started(claim('p'))
    clock += 29_999
    expect(circuit.allowance()).toBe(0)
    clock += 1
    expect(circuit.allowance()).toBe(1)
    circuit.started(claim('q'))
    circuit.unreachable(claim('p'), 'HTTP 502')
    expect(circuit.state).toBe('probing')
    circuit.unreachable(claim('q'), 'HTTP 502')
    expect(circuit.nextProbeAt).toBe(clock + 2000)
  })

  it('an earlier claim of the item, whose call is still out, is not the probe', () => {
    const circuit = opened()
    clock += 1000
    circuit.started(claim('p', 2))
    expect([circuit.passes(claim('p', 1)), circuit.passes(claim('p', 2))]).toEqual([false, true])
    circuit.unreachable(claim('p', 1), 'HTTP 502')
    circuit.notSent(claim('p', 1))
    expect(circuit.state).toBe('probing')
    expect(circuit.passes(claim('p', 2))).toBe(true)
  })

  it('a probe that did not leave makes room for another at once', () => {
    const circuit = opened()
    clock += 1000
    circuit.started(claim('p'))
    circuit.notSent(claim('other'))
    expect(circuit.allowance()).toBe(0)
    circuit.notSent(claim('p'))
    expect(circuit.allowance()).toBe(1)
    expect(circuit.state).toBe('open')
  })
})
