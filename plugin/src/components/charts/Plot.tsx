import {
  AxisPlacement,
  BarAlignment,
  DrawStyle,
  PointVisibility,
  ScaleDirection,
  ScaleOrientation,
  UPlotChart,
  UPlotConfigBuilder,
  useTheme2,
} from '@grafana/ui'
import React, { useMemo } from 'react'
import { shownZone } from '../Time.tsx'
import { useTimeMode } from '../timeMode.ts'
import { type Series, stacked } from './series.ts'

const HEIGHT = 200

/** The ends of the value axis: `soft` ones give way to values beyond them, `max` does not. */
export interface Axis {
  softMin: number
  softMax: number
  max?: number
  /** What its lines may be apart; without: anything. */
  incrs?: number[]
}

interface Props {
  width: number
  times: readonly string[]
  series: readonly Series[]
  bars: boolean
  axis: Axis
  format(value: number): string
  /** The pointer is over the value at this place, or away from the chart. */
  onPoint(place: number | null): void
}

/** The lines or bars and their axes, drawn as in Grafana's own panels. */
export function Plot({ width, times, series, bars, axis, format, onPoint }: Props) {
  const theme = useTheme2()
  useTimeMode()
  const timeZone = shownZone()
  // what stands on others is drawn first, behind them
  const drawn = useMemo(() => (bars ? stacked(series).toReversed() : series), [series, bars])
  const data = useMemo(
    () => [times.map((time) => Date.parse(time)), ...drawn.map(({ values }) => [...values])],
    [times, drawn],
  )
  // uPlot is made anew with each configuration: only where something else than the values has changed
  const looks = JSON.stringify(drawn.map(({ color, dash }) => ({ color, dash })))
  const config = useMemo(() => {
    const builder = new UPlotConfigBuilder(timeZone)
    builder.addScale({
      scaleKey: 'x',
      isTime: true,
      orientation: ScaleOrientation.Horizontal,
      direction: ScaleDirection.Right,
      // a bar is as wide as its part, the last one too
      range: ({ data: [x] }, from, to) => [from, bars && x!.length > 1 ? to + (x![1]! - x![0]!) : to],
    })
    builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone, theme })
    const { incrs, ...range } = axis
    builder.addScale({
      scaleKey: 'y',
      orientation: ScaleOrientation.Vertical,
      direction: ScaleDirection.Up,
      ...range,
    })
    builder.addAxis({
      scaleKey: 'y',
      placement: AxisPlacement.Left,
      theme,
      formatValue: format,
      ...(incrs && { incrs }),
    })
    for (const { color, dash } of JSON.parse(looks) as Pick<Series, 'color' | 'dash'>[])
      builder.addSeries({
        scaleKey: 'y',
        theme,
        drawStyle: bars ? DrawStyle.Bars : DrawStyle.Line,
        lineColor: theme.visualization.getColorByName(color),
        lineWidth: bars ? 0 : 2,
        ...(dash && { lineStyle: { fill: 'dash', dash: [...dash] } }),
        fillOpacity: bars ? 100 : 0,
        barAlignment: BarAlignment.After,
        barWidthFactor: 0.8,
        showPoints: PointVisibility.Auto, // a single value would make no line
        pointSize: 4,
        spanNulls: false,
      })
    builder.setPadding([8, 20, 0, 0]) // to the right, for the half of the last time below the axis
    builder.setCursor({ drag: { x: false, y: false } }) // the window is chosen above the charts
    builder.addHook('setLegend', ({ cursor: { idx, left } }) =>
      onPoint(left === undefined || left < 0 ? null : (idx ?? null)),
    )
    return builder
  }, [looks, bars, axis, theme, timeZone, format, onPoint])
  return <UPlotChart width={width} height={HEIGHT} data={data as never} config={config} />
}
