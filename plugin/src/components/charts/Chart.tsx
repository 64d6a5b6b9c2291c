import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { useStyles2 } from '@grafana/ui'
import React, { useId, useState } from 'react'
import { Table } from '../Table.tsx'
import { absolute, shownZoneName } from '../Time.tsx'
import { Legend } from './Legend.tsx'
import { type Axis, Plot } from './Plot.tsx'
import { inWords, newest, type Series, shown } from './series.ts'
import { useWidth } from './useWidth.ts'

export interface ChartProps {
  title: string
  /** What it shows, and how to read it. */
  description: string
  /** When each value begins. */
  times: readonly string[]
  series: readonly Series[]
  /** Bars: what happened in each part, the first series below. Else lines. */
  bars?: boolean
  axis?: Axis
  format(value: number): string
  /** Said where there is nothing to show. */
  none: string
}

/** From nought, in whole numbers; a queue that is empty is a line at the bottom. */
const NUMBERS: Axis = { softMin: 0, softMax: 1, incrs: wholeSteps() }

interface Row {
  id: string
  place: number
}

/** A chart with its legend, which shows the values under the pointer, and all of them as a table. */
export function Chart({ title, description, times, series, bars = false, axis = NUMBERS, format, none }: ChartProps) {
  const styles = useStyles2(getStyles)
  const { ref, width } = useWidth<HTMLDivElement>()
  const [pointed, setPointed] = useState<number | null>(null)
  const id = useId()
  const last = newest(series)
  const at = pointed !== null && pointed < times.length ? pointed : last
  return (
    <figure className={styles.chart} aria-labelledby={id}>
      <h3 id={id} className={styles.title}>
        {title}
      </h3>
      <p className={styles.small}>{description}</p>
      <div ref={ref}>
        {last === null ? (
          <p>{none}</p>
        ) : (
          <>
            <div role="img" aria-label={`${title}. ${inWords(series, format)}.`} className={styles.plot}>
              {width > 0 && (
                <Plot
                  width={width}
                  times={times}
                  series={series}
                  bars={bars}
                  axis={axis}
                  format={format}
                  onPoint={setPointed}
                />
              )}
            </div>
            <Legend series={series} at={times[at!]!} place={at!} format={format} />
            <details className={styles.small}>
              <summary>As a table</summary>
              {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard */}
              <section className={styles.table} tabIndex={0} aria-label={`${title}, as a table`}>
                <Table<Row>
                  label={`${title}: values`}
                  rows={times.map((time, place) => ({ id: time, place }))}
                  columns={[
                    { name: 'from', label: `From (${shownZoneName()})`, cell: ({ id: time }) => absolute(time) },
                    ...series.map(({ name, values }) => ({
                      name,
                      label: name,
                      cell: ({ place }: Row) => shown(values[place], format),
                    })),
                  ]}
                />
              </section>
            </details>
          </>
        )}
      </div>
    </figure>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  chart: css({
    margin: 0,
    minWidth: 0, // as a part of a grid it may become narrower
    padding: theme.spacing(1.5),
    background: theme.colors.background.secondary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
  }),
  title: css({ ...theme.typography.h5, marginBottom: 0 }),
  small: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
  plot: css({ minHeight: 200 }),
  table: css({ maxHeight: 300, overflow: 'auto' }),
})

/** 1, 2, 5, 10, 20 … */
function wholeSteps(): number[] {
  return Array.from({ length: 10 }, (_, place) => [1, 2, 5].map((digit) => digit * 10 ** place)).flat()
}
