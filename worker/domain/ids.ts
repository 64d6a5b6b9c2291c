/** What every id looks like: that of a row in PostgreSQL, as text. */
export const ID = /^[1-9]\d{0,17}$/
