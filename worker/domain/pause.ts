/** A planned pause begins at its time; an ended one stays for the record. */
export const PAUSE_STATES = ['in_force', 'planned', 'ended'] as const
export type PauseState = (typeof PAUSE_STATES)[number]

/** The longest pause that can be planned; a longer one is another one. */
export const LONGEST_PAUSE_DAYS = 31

/** What a pause is of. */
export type PauseScope = 'everything' | 'topic' | 'seller'
export const scopeOf = ({ topic, sellerId }: { topic: string | null; sellerId: string | null }): PauseScope =>
  topic !== null ? 'topic' : sellerId !== null ? 'seller' : 'everything'
