/**
 * What is wrong with a catalogue file. The message is one sentence without the file's name, with line and handle if
 * known.
 */
export class BrokenCatalogue extends Error {}

/** The sentence about one row: `line 7 (classic-top): the Variant Price "abc" is no number.` */
export const brokenRow = (line: number, handle: string, why: string): BrokenCatalogue =>
  new BrokenCatalogue(`line ${line}${handle ? ` (${handle.slice(0, 80)})` : ''}: ${why}.`)

/** A value for use in a sentence: quoted, with control characters escaped, and cut to a readable length. */
export const shown = (value: string): string => JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
