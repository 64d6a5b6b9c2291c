/** The most products that the beginning of a SKU matches; typing another letter narrows the search. */
export const PRODUCTS_A_PREFIX = 200
