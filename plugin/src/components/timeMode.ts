import { useSyncExternalStore } from 'react'

/** How times are shown: as how long ago, by the clock of the viewer, or by that of UTC. */
export const TIME_MODES = ['relative', 'local', 'utc'] as const
export type TimeMode = (typeof TIME_MODES)[number]

/** The browser remembers it: people who compare times with logs want it on the next day, too. */
const KEY = 'shop-update.times'

const listeners = new Set<() => void>()
let chosen: TimeMode | undefined

export function timeMode(): TimeMode {
  if (chosen === undefined) {
    const kept = storage()?.getItem(KEY)
    chosen = TIME_MODES.find((mode) => mode === kept) ?? 'relative'
  }
  return chosen
}

export function setTimeMode(mode: TimeMode): void {
  chosen = mode
  try {
    storage()?.setItem(KEY, mode)
  } catch {
    // full, or not allowed: it holds until the page is left
  }
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useTimeMode = (): TimeMode => useSyncExternalStore(subscribe, timeMode)

/** Null where the browser allows none. */
function storage(): Storage | null {
  try {
    return window.localStorage
  } catch {
    return null
  }
}
