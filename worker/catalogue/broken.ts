/**
 * What is wrong with a catalogue file; the message is one sentence without the file's name, with the line and the
 * handle where they are known.
 */
export class BrokenCatalogue extends Error {}

/** The sentence about one row: `line 7 (classic-top): the Variant Price "abc" is no number.` */
export const brokenRow = (line: number, handle: string, why: string): BrokenCatalogue =>
  new BrokenCatalogue(`line ${line}${handle ? ` (${handle.slice(0, 80)})` : ''}: ${why}.`)

/** A value as it is shown in a sentence: in quotes, control characters escaped, not longer than can be read. */
export const shown = (value: string): string => JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
