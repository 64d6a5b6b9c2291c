/** Without it, Excel reads UTF-8 in the machine's code page and shows no Arabic or Thai. */
export const BYTE_ORDER_MARK = '\ufeff'

/** RFC 4180: every line ends with CRLF, and cells are quoted where necessary. */
export const line = (cells: (string | number | null | undefined)[]): string =>
  `${cells.map((cell) => quoted(guarded(String(cell ?? '')))).join(',')}\r\n`

/**
 * Turns a cell that a spreadsheet would take for a formula into text: SKUs and messages come from sellers and Shops. A
 * spreadsheet looks past blanks and invisible marks, and treats full-width signs as the usual ones. When it separates
 * by semicolons (most of Europe) or tabs, it ignores our quotes: a new cell begins after each separator and each line
 * end.
 */
const guarded = (text: string): string => (FORMULA.test(text) ? "'" : '') + text.replace(LATER_FORMULA, "$&'")

const BEGINNING = '[\\s\\p{Cc}\\p{Cf}]*[=+\\-@＝＋－＠−﹢﹣﹦﹫]'
const FORMULA = new RegExp(`^${BEGINNING}`, 'u')
const LATER_FORMULA = new RegExp(`[;\\t\\r\\n](?=${BEGINNING})`, 'gu')

const quoted = (text: string): string => (/[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
