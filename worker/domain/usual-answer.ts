/** An acknowledged call: its age, and how long after the acknowledgment the Shop called back. In seconds. */
export interface Acknowledged {
  age: number
  /** Null: not yet. */
  answeredAfter: number | null
}

/** From fewer calls nobody knows what is usual. */
export const KNOWN_FROM = 20
const SHARE = 0.95

/**
 * The shortest time within which 95 % were answered. For each time that is asked only of calls that are at least as
 * old: of younger ones nobody knows yet. All of these count, those that nobody has answered as well: of the answered
 * ones alone, 95 % are soon answered even when every second call is lost.
 *
 * @returns seconds; null: too few are known, or too few are answered
 */
export function usualSeconds(calls: readonly Acknowledged[]): number | null {
  const ages = calls.map(({ age }) => age).toSorted((a, b) => a - b)
  const answered = calls.filter((call) => call.answeredAfter !== null)
  const answeredAges = answered.map(({ age }) => age).toSorted((a, b) => a - b)
  const times = answered.map(({ answeredAfter }) => answeredAfter!).toSorted((a, b) => a - b)
  let younger = 0
  let answeredYounger = 0
  for (const [place, seconds] of times.entries()) {
    while (younger < ages.length && ages[younger]! < seconds) younger++
    while (answeredYounger < answeredAges.length && answeredAges[answeredYounger]! < seconds) answeredYounger++
    const asked = ages.length - younger
    if (asked < KNOWN_FROM) return null
    // whoever was answered is older than his answer: those who are too young are all among the faster ones
    if (place + 1 - answeredYounger >= SHARE * asked) return seconds
  }
  return null
}
