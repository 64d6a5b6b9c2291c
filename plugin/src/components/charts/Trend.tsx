import { FieldType } from '@grafana/data'
import { Sparkline, useTheme2 } from '@grafana/ui'
import React, { useMemo } from 'react'
import { useWidth } from './useWidth.ts'

const HEIGHT = 28

/** A small line without axes, for a tile: how a share went, from its lowest to its highest. */
export function Trend({ values, label }: { values: readonly (number | null)[]; label: string }) {
  const theme = useTheme2()
  const { ref, width } = useWidth<HTMLDivElement>()
  const sparkline = useMemo(() => {
    const known = values.filter((value) => value !== null)
    const [min, max] = [Math.min(...known), Math.max(...known)]
    return {
      y: {
        name: label,
        type: FieldType.number,
        values: [...values],
        config: { color: { mode: 'fixed', fixedColor: 'green' }, custom: { lineWidth: 1, fillOpacity: 15 } },
        state: { range: { min, max, delta: max - min } },
      },
    }
  }, [values, label])
  return (
    <div ref={ref} role="img" aria-label={label} style={{ height: HEIGHT, marginBottom: theme.spacing(0.5) }}>
      {width > 0 && <Sparkline theme={theme} width={width} height={HEIGHT} sparkline={sparkline} />}
    </div>
  )
}
