/** The form of every id: that of a PostgreSQL row, as text. */
export const ID = /^[1-9]\d{0,17}$/
