/** One line or one kind of bar of a chart; `values` has one for each of its times. */
export interface Series {
  name: string
  /** By Grafana's name. */
  color: string
  values: readonly (number | null)[]
  /** Tells it from others without its colour. */
  dash?: readonly number[]
}

/** Where the newest value is that there is; null where there is none at all. */
export function newest(series: readonly Series[]): number | null {
  const places = series.flatMap(({ values }) => values.findLastIndex((value) => value !== null))
  const place = Math.max(-1, ...places)
  return place < 0 ? null : place
}

/** Those that a chart would show as more than a line at nought. */
export const withSomething = (series: readonly Series[]): Series[] =>
  series.filter(({ values }) => values.some((value) => value !== null && value > 0))

/** Each is drawn on top of the ones before: the values, added up. */
export function stacked(series: readonly Series[]): Series[] {
  let below: readonly (number | null)[] = []
  return series.map((one) => {
    const values = one.values.map((value, place) => (value === null ? null : value + (below[place] ?? 0)))
    below = values
    return { ...one, values }
  })
}

export const shown = (value: number | null | undefined, format: (value: number) => string): string =>
  value === null || value === undefined ? '–' : format(value)

/** What a chart shows, in a sentence for whoever does not see it. */
export function inWords(series: readonly Series[], format: (value: number) => string): string {
  return series
    .map(({ name, values }) => {
      const known = values.filter((value) => value !== null)
      if (known.length === 0) return `${name}: nothing`
      const [least, most] = [Math.min(...known), Math.max(...known)]
      return `${name}: last ${format(known.at(-1)!)}, from ${format(least)} to ${format(most)}`
    })
    .join('; ')
}
