/**
 * Makes text from outside fit for a PostgreSQL `text` column: U+0000 and lone surrogates become U+FFFD. (The escape
 * `\u0000` inside of JSON is six ordinary characters and stays; only `jsonb` objects to it.)
 */
export const storable = (text: string): string => text.replaceAll('\u0000', '\ufffd').toWellFormed()
