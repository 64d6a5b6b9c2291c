import type { Attributes } from '@opentelemetry/api'
import { emptyResource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'

export interface Description {
  name: string
  unit: string
  description: string
  /** The names of the attributes, in the order of the values. */
  attributes: readonly string[]
}

export interface Tallies extends MetricProducer {
  counter(description: Description): (values: readonly string[], n?: number) => void
  histogram(description: Description, boundaries: readonly number[]): (values: readonly string[], value: number) => void
}

/**
 * Counters and histograms in which an addition costs a walk through a few maps (0.1 us). The SDK's own sort the
 * attributes and serialise them to JSON each time (0.7 us), and an item has eight transitions with a counter and a
 * duration each. The exported data is the same.
 *
 * @param wanted false: counts nothing, because nothing is exported
 */
export function createTallies(wanted: boolean): Tallies {
  const startTime = hrTime(Date.now())
  const series: (() => MetricData)[] = []

  return {
    counter({ name, unit, description, attributes: names }) {
      if (!wanted) return () => {}
      const cells = cellsBy(names, () => ({ n: 0 }))
      series.push(() => ({
        descriptor: { name, unit, description, valueType: 1 },
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: cells
          .all()
          .map(({ attributes, cell: { n } }) => ({ startTime, endTime: hrTime(Date.now()), attributes, value: n })),
      }))
      return (values, n = 1) => {
        cells.at(values).n += n
      }
    },

    histogram({ name, unit, description, attributes: names }, boundaries) {
      if (!wanted) return () => {}
      const cells = cellsBy(names, () => ({
        counts: new Array<number>(boundaries.length + 1).fill(0),
        sum: 0,
        min: Number.POSITIVE_INFINITY,
        max: 0,
      }))
      series.push(() => ({
        descriptor: { name, unit, description, valueType: 1 },
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: cells.all().map(({ attributes, cell: { counts, sum, min, max } }) => ({
          startTime,
          endTime: hrTime(Date.now()),
          attributes,
          value: {
            buckets: { boundaries: [...boundaries], counts: [...counts] },
            sum,
            min,
            max,
            count: counts.reduce((total, n) => total + n, 0),
          },
        })),
      }))
      return (values, value) => {
        const cell = cells.at(values)
        let bucket = 0
        while (bucket < boundaries.length && value > boundaries[bucket]!) bucket++
        cell.counts[bucket]!++
        cell.sum += value
        if (value < cell.min) cell.min = value
        if (value > cell.max) cell.max = value
      }
    },

    async collect(): Promise<CollectionResult> {
      const metrics = series.map((read) => read()).filter(({ dataPoints }) => dataPoints.length > 0)
      // the reader substitutes its own resource
      return {
        resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope: { name: 'shop-update' }, metrics }] },
        errors: [],
      }
    },
  }
}

const hrTime = (milliseconds: number): [number, number] => [
  Math.floor(milliseconds / 1000),
  (milliseconds % 1000) * 1e6,
]

/** One cell per combination of values; an empty value is an attribute that the series does not have. */
function cellsBy<Cell>(names: readonly string[], create: () => Cell) {
  type Node = Map<string, Node | Cell>
  const root: Node = new Map()
  const all: { attributes: Attributes; cell: Cell }[] = []
  return {
    all: () => all,
    at(values: readonly string[]): Cell {
      let node = root
      for (let k = 0; k < values.length; k++) {
        const value = values[k]!
        let next = node.get(value)
        if (next === undefined) {
          if (k === values.length - 1) {
            next = create()
            all.push({
              attributes: Object.fromEntries(
                names.flatMap((name, place) => (values[place] ? [[name, values[place]]] : [])),
              ),
              cell: next,
            })
          } else next = new Map()
          node.set(value, next)
        }
        if (k === values.length - 1) return next as Cell
        node = next as Node
      }
      throw new Error('A series has at least one attribute')
    },
  }
}
