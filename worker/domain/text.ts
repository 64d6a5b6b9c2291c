/**
 * Makes foreign text fit a PostgreSQL `text` column: U+0000 and lone surrogates become U+FFFD. (The escape `\u0000`
 * inside JSON is six ordinary characters and stays; only `jsonb` rejects it.)
 */
export const storable = (text: string): string => text.replaceAll('\u0000', '\ufffd').toWellFormed()
