/** The most products that the beginning of a SKU matches; typing another letter narrows the search. */
export const PRODUCTS_A_PREFIX = 200

/**
 * A text without so many letters or digits in a row is looked up as a whole SKU, id or name: the index has three at a
 * time, and without any it would be read from end to end.
 */
export const FRAGMENT_LENGTH = 3
const FRAGMENT = new RegExp(`[\\p{L}\\p{N}]{${FRAGMENT_LENGTH}}`, 'u')
export const isFragment = (words: string): boolean => FRAGMENT.test(words)
/** Of products found by a fragment, so many are looked at. */
export const PRODUCTS_A_FRAGMENT = 50
/** Of a pasted list, so many SKUs are looked up. */
export const SKUS_A_LIST = 500

/** Each tab is counted up to so many items of a selection, which every open page with filters asks for. */
export const TAB_COUNTED_UP_TO = 1000

/** What a search means: without the blanks and quotes that came along when it was copied. */
export const searchedWords = (text: string): string => text.replace(/^[\s"'“”‘’«»`]+|[\s"'“”‘’«»`,;]+$/gu, '')

/** The SKUs of a pasted list: one a line, or parted by tabs, commas or semicolons; each once, as they are. */
export function pastedSkus(text: string): string[] {
  const skus = text.split(/[\n\r\t,;]+/u).map(searchedWords)
  return [...new Set(skus.filter((sku) => sku !== ''))]
}
